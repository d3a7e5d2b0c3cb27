"""Evaluates critical rules while the database is unavailable, over the rows that are refused.

The same pure functions evaluate and plan, starting from the last complete tick, so an alert that fires now gets the
same episode and key as with the database. Other alerts are frozen, not resolved.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from monitor.alerts.plan import plan
from monitor.alerts.settings import AlertSettings
from monitor.alerts.situation import NotificationPlan, Situation
from monitor.evaluation.recent_window import RecentWindow
from monitor.metrics import LIVE, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.outage.emergency import Emergency
from monitor.outage.journal import JournalEntry
from monitor.predictions.log.batch import split
from monitor.records import Alert, Measurement, Severity, Stream
from monitor.rules.engine import no_data
from monitor.rules.engine.evaluate import Evaluation, evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store.incidents import Incident
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE


class OutageEvaluator:
    """Keeps the situation after each complete tick, and evaluates from it during an outage."""

    def __init__(
        self,
        alerts: AlertSettings,
        metrics: MetricSettings,
        base_seconds: int,
        recent_seconds: float,
        clock: Callable[[], float],
        emergency: Emergency | None,
    ) -> None:
        self._alerts, self._metrics, self._base = alerts, metrics, base_seconds
        self._emergency = emergency
        self._unavailable_since: float | None = None
        self._recent = RecentWindow(recent_seconds, clock)
        self._streams: set[Stream] = set()
        self._situation: Situation | None = None
        self._lock = threading.Lock()

    def remember(self, situation: Situation | None) -> None:
        """Keep the situation after a complete tick."""
        self._unavailable_since = None
        if situation is not None:
            self._situation = situation

    def add_refused(self, stream: Stream, rows: pa.RecordBatch) -> None:
        """Count refused rows. Late rows and history are ignored."""
        for batch in split(stream, rows, self._base):
            with self._lock:
                self._streams.add(stream)
                self._recent.add(stream, batch.window, count(batch.rows, BARE))

    def tick_without_store(self, rules: RuleSet, now: float) -> bool:
        """Handle a tick without the database: evaluate once the outage has lasted long enough. Returns
        whether it did.
        """
        self._unavailable_since = now if self._unavailable_since is None else self._unavailable_since
        if self._emergency is None or now - self._unavailable_since < self._emergency.patience:
            return False
        self._emergency.add(self.evaluate(rules, self._emergency.accepted(), now))
        return True

    def catch_up(self) -> None:
        """Write what was sent without the database, before the first tick with it.

        Raises:
            StoreError: it is still out of reach.
        """
        if self._unavailable_since is not None and self._emergency is not None:
            self._emergency.catch_up()

    def evaluate(
        self, rules: RuleSet, accepted: frozenset[tuple[str, str]], now: float
    ) -> list[JournalEntry]:
        """Evaluate without the database. `accepted` are the channel and key of what was sent without it."""
        if self._situation is None:
            return []
        before = replace(self._situation, now=now, incidents=_noted(self._situation, accepted, now))
        evaluation = _critical(evaluate(rules, Readings(self._measured(now)), before.alerts, now))
        current = {**before.alerts, **{alert.fingerprint: alert for alert in evaluation.alerts}}
        planned = plan(replace(before, alerts=current), self._alerts)
        incidents = {(i.channel, i.key): i for i in (*before.incidents, *planned.incidents)}
        self._situation = replace(before, alerts=current, incidents=list(incidents.values()))
        return _entries(planned, current, evaluation)

    def _measured(self, now: float) -> dict[tuple[Stream, int], Sequence[Measurement]]:
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        with self._lock:
            for stream in self._streams:
                if (recent := self._recent.profile(stream, now)) is not None:
                    window, profile = recent
                    subject = Subject(stream, window, profile, None, self._metrics)
                    measured[stream, OPEN] = measure(subject, LIVE)
        return measured


def _critical(evaluation: Evaluation) -> Evaluation:
    """The critical alerts only; the page about the outage covers all others."""
    critical = [a for a in evaluation.alerts if a.severity is Severity.CRITICAL and a.rule != no_data.NAME]
    names = {alert.fingerprint for alert in critical}
    return replace(
        evaluation, alerts=critical, transitions=[t for t in evaluation.transitions if t.fingerprint in names]
    )


def _noted(situation: Situation, accepted: frozenset[tuple[str, str]], now: float) -> list[Incident]:
    return [
        replace(incident, accepted_at=now)
        if incident.accepted_at is None and (incident.channel, incident.key) in accepted
        else incident
        for incident in situation.incidents
    ]


def _entries(
    planned: NotificationPlan, alerts: dict[str, Alert], evaluation: Evaluation
) -> list[JournalEntry]:
    incidents = {(i.channel, i.key): i for i in planned.incidents}
    entries = []
    for delivery in planned.deliveries:
        incident = incidents.get((delivery.channel, delivery.key))
        if not delivery.is_critical or incident is None:
            continue
        members = {fingerprint for fingerprint, _ in incident.members}
        entries.append(
            JournalEntry(
                delivery,
                incident,
                tuple(alerts[member] for member in sorted(members) if member in alerts),
                tuple(t for t in evaluation.transitions if t.fingerprint in members),
            )
        )
    return entries
