"""Alerts and their notifications: routing, grouping, silences, inhibition, deduplication, escalation and fallback.

`plan.py` decides (pure); `advance` stores its plan in one transaction with the alerts. Start reading there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from monitor.alerts.acknowledge import acknowledged
from monitor.alerts.plan import plan
from monitor.alerts.settings import AlertSettings
from monitor.alerts.situation import NotificationPlan, Situation
from monitor.records import Alert, Diagnosis
from monitor.rules.engine.evaluate import Evaluation
from monitor.store import alerts as alert_rows
from monitor.store import diagnoses, outbox, silences
from monitor.store import incidents as incident_rows
from monitor.store.db import faults_of

__all__ = ["AlertSettings", "NotificationPlan", "Situation", "advance", "load_situation", "plan", "record"]


def advance(
    connection: Connection,
    evaluation: Evaluation,
    alerts: Mapping[str, Alert],
    settings: AlertSettings,
    channels: Iterable[str],
    now: float,
    confirming: Iterable[str] = (),
) -> NotificationPlan:
    """Plan the notifications of an evaluation and record alerts, transitions, incidents and deliveries together.

    `alerts` are those before the evaluation; `confirming` are the channels whose webhooks are received. The plan also
    holds the situation afterwards, for use while the database is unavailable.
    """
    evaluation = _renumbered(connection, evaluation, alerts)
    current = {**alerts, **{alert.fingerprint: alert for alert in evaluation.alerts}}
    recent = incident_rows.load_since(connection, now - settings.storm.within)
    known = {(i.channel, i.key): i for i in (*incident_rows.load_open(connection, lock=True), *recent)}
    situation = Situation(
        current,
        list(known.values()),
        silences.load(connection, now),
        frozenset(channels),
        now,
        frozenset(confirming),
    )
    planned = _with_next_sequences(connection, plan(situation, settings, faults_of(connection)))
    changed = {alert.fingerprint: alert for alert in evaluation.alerts}
    changed |= acknowledged(situation.incidents, current)
    record(connection, replace(evaluation, alerts=list(changed.values())), planned)
    diagnoses.put(connection, [one for one in changed.values() if one.diagnosis != _known(alerts, one)])
    known |= {(i.channel, i.key): i for i in planned.incidents}
    after = replace(situation, alerts={**current, **changed}, incidents=list(known.values()))
    return replace(planned, after=after)


def _known(alerts: Mapping[str, Alert], alert: Alert) -> Diagnosis | None:
    """The diagnosis of this episode that is stored already."""
    before = alerts.get(alert.fingerprint)
    return before.diagnosis if before is not None and before.episode == alert.episode else None


def _renumbered(connection: Connection, evaluation: Evaluation, alerts: Mapping[str, Alert]) -> Evaluation:
    """The evaluation with later episode numbers for alerts whose row was lost although they fired before.

    Without this, a page would carry the dedup_key of an episode that is resolved.
    """
    first = [a.fingerprint for a in evaluation.alerts if a.episode == 1 and a.fingerprint not in alerts]
    last = alert_rows.last_episodes(connection, first) if first else {}
    if not last:
        return evaluation
    episodes = {fingerprint: episode + 1 for fingerprint, episode in last.items()}
    return replace(
        evaluation,
        alerts=[replace(a, episode=episodes.get(a.fingerprint, a.episode)) for a in evaluation.alerts],
        transitions=[
            replace(t, episode=episodes.get(t.fingerprint, t.episode)) for t in evaluation.transitions
        ],
    )


def _with_next_sequences(connection: Connection, planned: NotificationPlan) -> NotificationPlan:
    """The plan with sequences after those already in the outbox, for keys whose incident row was lost."""
    opening = [(d.channel, d.key) for d in planned.deliveries if d.sequence == 1]
    sent = outbox.last_sequences(connection, opening) if opening else {}
    if not sent:
        return planned
    deliveries = [
        replace(d, sequence=d.sequence + sent.get((d.channel, d.key), 0)) for d in planned.deliveries
    ]
    incidents = [replace(i, sequence=i.sequence + sent.get((i.channel, i.key), 0)) for i in planned.incidents]
    return replace(planned, deliveries=deliveries, incidents=incidents)


def load_situation(
    connection: Connection, channels: Iterable[str], now: float, confirming: Iterable[str] = ()
) -> Situation:
    """The stored alerts and incidents, for a daemon that may have to take over evaluation."""
    return Situation(
        alert_rows.load(connection),
        incident_rows.load_open(connection),
        silences.load(connection, now),
        frozenset(channels),
        now,
        frozenset(confirming),
    )


def record(connection: Connection, evaluation: Evaluation, planned: NotificationPlan) -> None:
    """Store an evaluation and its notifications within the caller's transaction."""
    alert_rows.put(connection, evaluation.alerts)
    alert_rows.add_transitions(connection, evaluation.transitions)
    incident_rows.put(connection, planned.incidents)
    outbox.add(connection, planned.deliveries)
