"""Measures and judges the streams of one process: all of them, or its share.

Rows become profiles, profiles measurements, measurements alert states. Nothing here plans notifications.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.evaluation import targets as target_judging
from monitor.evaluation.measure import Measurer
from monitor.exporters.model_samples import OF_THE_HOUR
from monitor.records import DAEMON, Alert, Measurement, Severity, Stream, Window
from monitor.rules.engine.condition_cache import ConditionCache
from monitor.rules.engine.evaluate import Evaluation, evaluate, is_active
from monitor.rules.engine.readings import Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import judgements
from monitor.store import targets as target_rows
from monitor.store.db import Store
from monitor.store.targets import TargetPeriod
from monitor.windows.counting import count_new
from monitor.windows.profile import Profile
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import WindowSettings
from monitor.workers import judgement
from monitor.workers.assignment import IsMine, everything
from monitor.workers.judgement import Judgement
from monitor.workers.triage import Triage

SECONDS = 4.0
"""Seconds of a tick each for counting rows, for measuring windows, for measuring the last seconds and for evaluating
rules: many streams must not delay the evaluation of current data. What is left comes first in the next tick. Streams
with a critical alert come before all others, then those with another alert, then those that receive records.
"""
_AT_LEAST = 200
"""Minimum number of streams that are evaluated in each tick, however slow the machine is."""


@dataclass(frozen=True, slots=True)
class StreamJudge:
    """What counts, measures and evaluates, and its dependencies."""

    store: Store
    windows: WindowSettings
    measuring: Measurer
    on_counted: Callable[[Stream, Window, Profile], None]
    elsewhere: Callable[[Connection], Callable[[Stream], bool]] = lambda _connection: lambda _stream: False
    """Tells whether a stream is judged elsewhere: by the site that delivers it, or by the agency of this site."""
    cache: ConditionCache = field(default_factory=ConditionCache)
    order: RoundRobin = field(default_factory=lambda: RoundRobin(SECONDS))
    evaluating: RoundRobin = field(default_factory=lambda: RoundRobin(SECONDS))
    triaged: set[Stream] = field(default_factory=set)
    failing: Triage = field(init=False)

    def __post_init__(self) -> None:
        triage = Triage(self.store, self.windows, self.measuring, self.on_counted, self.elsewhere)
        object.__setattr__(self, "failing", triage)

    def triage(
        self, rules: RuleSet, now: float, is_mine: IsMine, decide: Callable[[Judgement, float], object]
    ) -> None:
        """Judge what fails now of many streams, before all others, and have `decide` plan or store what was found. The
        next evaluation leaves these out. An error ends the triage, not the tick, which judges them in their turn.
        """
        with self.store.faults.isolate("tick", "triage of failing models"):
            judged = self.failing.judge(rules, now, is_mine)
            if judged.streams:
                decide(judged, now)
                self.triaged.update(judged.streams)

    def count(self, now: float, is_mine: IsMine = everything) -> int:
        """Count new rows. Returns the number of windows that changed."""
        urgent = self._with_alerts()
        return len(count_new(self.store, self.windows, now, self.on_counted, self.order, is_mine, urgent))

    def measure(
        self,
        rules: RuleSet,
        about_itself: Sequence[Measurement],
        now: float,
        is_mine: IsMine = everything,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Readings:
        """Measure what was counted, and call `meanwhile` after every few streams. Returns everything that rules may
        read, and what is exported.
        """
        read = rules.reads()
        read.setdefault(HOUR, set()).update(OF_THE_HOUR)
        self.measuring.uncounted = self.order.unserved  # their windows would be measured without their rows
        return self.measuring.measure(read, about_itself, now, is_mine, self._with_alerts(), meanwhile)

    def _with_alerts(self) -> Sequence[Collection[Stream]]:
        """The streams with a pending or open alert that is critical, and those with another one."""
        with self.store.read() as connection:
            active = alert_rows.active_streams(connection)
        critical = active.pop(Severity.CRITICAL, set())
        return critical, set().union(*active.values())

    def evaluate(
        self,
        rules: RuleSet,
        readings: Readings,
        known: Mapping[str, Alert],
        now: float,
        is_away: Callable[[Stream], bool],
    ) -> Evaluation:
        """Evaluate the rules. `known` are the alerts of the streams that are judged here."""
        active = [alert for alert in known.values() if is_active(alert)]
        critical = {DAEMON, *(alert.stream for alert in active if alert.severity is Severity.CRITICAL)}
        critical |= self.measuring.silent
        urgent = critical, {alert.stream for alert in active}, self.measuring.live

        def in_turn(streams: Sequence[Stream]) -> Iterable[Stream]:
            here = [stream for stream in streams if stream not in self.triaged and not is_away(stream)]
            return self.evaluating.serve(here, urgent=urgent, at_least=_AT_LEAST)

        faults = self.store.faults
        evaluation = evaluate(rules, readings, known, now, cache=self.cache, faults=faults, in_turn=in_turn)
        self.triaged.clear()
        return evaluation

    def evaluate_and_store(
        self, rules: RuleSet, readings: Readings, now: float, is_mine: IsMine
    ) -> Evaluation:
        """Evaluate the rules for the streams that are `is_mine`, and store what was found until the leader has planned
        notifications of it.
        """
        with self.store.read() as connection:
            waiting = judgements.waiting(connection)  # first: what the leader plans meanwhile is waited for
            is_elsewhere = self.elsewhere(connection)

            def is_away(stream: Stream) -> bool:
                return not is_mine(stream) or stream in waiting or is_elsewhere(stream)

            known = alert_rows.load(connection, lambda stream: not is_away(stream))
            standing = target_rows.current(connection)
        evaluation = self.evaluate(rules, readings, known, now, is_away)
        periods = target_judging.advance(standing, self.measuring.judged(), now)
        self.put(Judgement(evaluation, self.measuring.recent_profiles), now, periods)
        return evaluation

    def put(self, judged: Judgement, now: float, periods: Sequence[TargetPeriod] = ()) -> None:
        """Store what was found until the leader has planned notifications of it."""
        if judged.evaluation.alerts or judged.evaluation.transitions or periods:
            with self.store.write() as connection:
                target_rows.put(connection, periods)
                judgement.put(connection, judged, now)
