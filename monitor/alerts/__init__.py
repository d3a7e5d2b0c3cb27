"""Alerts: who must be told what. Decided purely, stored in one transaction with the alerts themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from monitor.alerts.acknowledge import acknowledged
from monitor.alerts.plan import Plan, Situation, plan
from monitor.alerts.settings import AlertSettings
from monitor.records import Alert
from monitor.rules.evaluate import Judgement
from monitor.store import alerts as alert_rows
from monitor.store import incidents as incident_rows
from monitor.store import outbox, silences

__all__ = ["AlertSettings", "Plan", "Situation", "advance", "plan", "record", "standing"]


def advance(
    connection: Connection,
    judgement: Judgement,
    alerts: Mapping[str, Alert],
    settings: AlertSettings,
    channels: Iterable[str],
    now: float,
    confirming: Iterable[str] = (),
) -> Plan:
    """Plan and record what a judgement means: alerts, transitions, incidents and outbox rows together.

    `alerts` are those that the judgement went on from; `confirming` the channels whose webhooks come in. The plan
    also holds the situation afterwards, for a time without the database.
    """
    current = {**alerts, **{alert.fingerprint: alert for alert in judgement.alerts}}
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
    planned = plan(situation, settings)
    changed = {alert.fingerprint: alert for alert in judgement.alerts}
    changed |= acknowledged(situation.incidents, current)
    record(connection, replace(judgement, alerts=list(changed.values())), planned)
    known |= {(i.channel, i.key): i for i in planned.incidents}
    after = replace(situation, alerts={**current, **changed}, incidents=list(known.values()))
    return replace(planned, after=after)


def standing(
    connection: Connection, channels: Iterable[str], now: float, confirming: Iterable[str] = ()
) -> Situation:
    """What fires and what was told of it, for a process that does not judge now but may have to."""
    return Situation(
        alert_rows.load(connection),
        incident_rows.load_open(connection),
        silences.load(connection, now),
        frozenset(channels),
        now,
        frozenset(confirming),
    )


def record(connection: Connection, judgement: Judgement, planned: Plan) -> None:
    """Store a judgement and what is to be told about it. All of it commits with the caller's transaction."""
    alert_rows.put(connection, judgement.alerts)
    alert_rows.add_transitions(connection, judgement.transitions)
    incident_rows.put(connection, planned.incidents)
    outbox.add(connection, planned.deliveries)
