"""Triage of many streams: those whose waiting rows fail are counted, measured and judged before all others.

With thousands of streams, a tick takes longer than a page may. How many rows of a batch failed is stored with it, so
one query tells which streams to look at first. Their last seconds are what they are now; whatever else rules read is as
of the last tick.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.evaluation.measure import Measurer
from monitor.measurement_table import ConcatenatedTables
from monitor.records import Alert, Measurement, Severity, Stream, Window
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import judgements, uncounted_batches
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.windows.counting import count_in_order
from monitor.windows.profile import Profile
from monitor.windows.round_robin import MANY, RoundRobin
from monitor.windows.settings import WindowSettings
from monitor.workers.assignment import IsMine
from monitor.workers.judgement import Judgement

_SECONDS = 1.0
"""Seconds of a tick for counting what fails."""
_RECEIVED = 120.0
"""Seconds. Rows that came in earlier are no part of the last seconds."""
_LEAST, _SHARE = 3, 0.02
"""Failed rows from which on a stream is looked at, and their share of all."""


@dataclass(frozen=True, slots=True)
class Triage:
    """What looks for failing streams, and its dependencies; see `StreamJudge`."""

    store: Store
    windows: WindowSettings
    measuring: Measurer
    on_counted: Callable[[Stream, Window, Profile], None]
    elsewhere: Callable[[Connection], Callable[[Stream], bool]]
    turns: RoundRobin = field(default_factory=lambda: RoundRobin(_SECONDS))

    def judge(self, rules: RuleSet, now: float, is_mine: IsMine) -> Judgement:
        """Count, measure and evaluate the streams that fail and were not paged of yet. Up to `MANY` streams, there is
        no triage: a tick is short anyway.
        """
        failing, known = self._failing(now, is_mine)
        if not failing:
            return Judgement()
        order = self.turns.start_tick(failing)
        touched = count_in_order(self.store, self.windows, now, order, self.on_counted, self.turns, least=1)
        counted = sorted({stream for stream, _ in touched})
        readings, profiles = self._readings(rules, counted, now)
        chosen = {stream for stream, _ in readings.measured}
        alerts = {key: alert for key, alert in known.items() if alert.stream in chosen}
        evaluation = evaluate(rules, readings, alerts, now, faults=self.store.faults)
        return Judgement(evaluation, profiles, frozenset(chosen))

    def _failing(self, now: float, is_mine: IsMine) -> tuple[Collection[Stream], Mapping[str, Alert]]:
        """The failing streams without an open critical alert, and the alerts of all failing ones."""
        with self.store.read() as connection:
            if stream_rows.amount(connection) <= MANY:
                return (), {}
            failing = set(uncounted_batches.failing_streams(connection, now - _RECEIVED, _LEAST, _SHARE))
            if not failing:
                return (), {}
            waiting, is_elsewhere = judgements.waiting(connection), self.elsewhere(connection)
            failing = {one for one in failing - waiting if is_mine(one) and not is_elsewhere(one)}
            known = alert_rows.load(connection, failing.__contains__)
        paged = {one.stream for one in known.values() if one.is_open and one.severity is Severity.CRITICAL}
        return failing - paged, known

    def _readings(
        self, rules: RuleSet, streams: Sequence[Stream], now: float
    ) -> tuple[Readings, Mapping[Stream, Profile]]:
        """What rules may read of streams that were just counted."""
        measuring = self.measuring
        live, profiles = measuring.last_seconds.peek(streams, now)
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        for stream, table in live.items():
            before = measuring.last.get((stream, OPEN))
            beside = before.parts[-1:] if isinstance(before, ConcatenatedTables) else ()
            measured[stream, OPEN] = ConcatenatedTables([table, *beside])
            for length in rules.reads():
                if length != OPEN and (stream, length) in measuring.last:
                    measured[stream, length] = measuring.last[stream, length]
        return Readings(measured, measuring.past), profiles
