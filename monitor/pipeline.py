"""One tick, in order: rows become profiles, profiles measurements, measurements alert states, states notifications.

Each step stores its results under natural keys before the next one starts, so a tick that is killed anywhere can be
repeated: nothing is counted, decided or sent twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor import alerts as paging
from monitor.alerts.diagnosis.load import diagnosed
from monitor.alerts.settings import AlertSettings
from monitor.alerts.situation import Situation
from monitor.evaluation import targets as target_judging
from monitor.evaluation.measure import Measurer
from monitor.evaluation.self_monitoring import SelfMonitor
from monitor.evaluation.uptime import UptimeRecorder
from monitor.maintenance.leader import LeaderLease
from monitor.maintenance.rule_reload import RuleReloader
from monitor.records import DAEMON, Stream, Window
from monitor.rules.engine.condition_cache import ConditionCache
from monitor.rules.engine.evaluate import Evaluation, evaluate, is_active
from monitor.store import alerts as alert_rows
from monitor.store import targets as target_rows
from monitor.store.db import Store
from monitor.windows.counting import count_new
from monitor.windows.profile import Profile
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import WindowSettings

COUNTING = 4.0
"""Seconds of a tick for counting rows: many streams must not delay the evaluation of current data."""
EVALUATING = 4.0
"""Seconds of a tick for evaluating rules. Streams that receive records or have an alert come first."""
_AT_LEAST = 200
"""Minimum number of streams that are evaluated in each tick, however slow the machine is."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of one tick. `after` is the situation of alerts and incidents, if this process evaluated."""

    at: float
    streams: int
    windows: int
    evaluation: Evaluation
    deliveries: int
    after: Situation | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The body of the daemon's loop, and its dependencies."""

    store: Store
    windows: WindowSettings
    measuring: Measurer
    rules: RuleReloader
    alerts: AlertSettings
    channels: frozenset[str]
    self_monitor: SelfMonitor
    on_counted: Callable[[Stream, Window, Profile], None]
    leader: LeaderLease
    uptime: UptimeRecorder
    confirming: frozenset[str] = frozenset()
    elsewhere: Callable[[Connection], Callable[[Stream], bool]] = lambda _connection: lambda _stream: False
    """Tells whether a stream is judged elsewhere: by the site that delivers it, or by the agency of this site."""
    cache: ConditionCache = field(default_factory=ConditionCache)
    order: RoundRobin = field(default_factory=lambda: RoundRobin(COUNTING))
    evaluating: RoundRobin = field(default_factory=lambda: RoundRobin(EVALUATING))

    def tick(self, now: float) -> Tick:
        """Run one tick at the time `now`."""
        rules = self.rules.rules()
        self.uptime.keep(now)
        touched = count_new(self.store, self.windows, now, self.on_counted, self.order)  # rows -> profiles
        own = self.self_monitor.measure(now)
        readings = self.measuring.measure(rules.reads(), own, now)  # profiles -> measurements
        done = Tick(now, len(readings.streams()), len(touched), Evaluation(), 0)
        if not self.leader.is_ours(now):  # another daemon on this database evaluates
            return done
        with self.store.read() as connection:
            is_away = self.elsewhere(connection)
            known = {key: one for key, one in alert_rows.load(connection).items() if not is_away(one.stream)}
            standing = target_rows.current(connection)
        faults = self.store.faults  # measurements -> states, with reasons
        urgent = {
            DAEMON,
            *self.measuring.live,
            *(alert.stream for alert in known.values() if is_active(alert)),
        }

        def in_turn(streams: Sequence[Stream]) -> Iterable[Stream]:
            here = [stream for stream in streams if not is_away(stream)]
            return self.evaluating.serve(here, urgent=urgent, at_least=_AT_LEAST)

        evaluation = evaluate(rules, readings, known, now, cache=self.cache, faults=faults, in_turn=in_turn)
        if evaluation.alerts:  # diagnoses
            with self.store.read() as connection:
                recent = self.measuring.recent_profiles
                evaluation = diagnosed(connection, evaluation, known, self.measuring.base, now, recent)
        with self.leader.write() as writing:  # states -> notifications, in one transaction
            if writing is None:
                return done
            target_rows.put(writing, target_judging.advance(standing, self.measuring.judged(), now))
            plan = paging.advance(
                writing, evaluation, known, self.alerts, self.channels, now, self.confirming
            )
        return replace(done, evaluation=evaluation, deliveries=len(plan.deliveries), after=plan.after)
