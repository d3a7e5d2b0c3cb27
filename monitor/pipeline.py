"""One tick, in order: rows become profiles, profiles measurements, measurements alert states, states notifications.

Each step stores its results under natural keys before the next one starts, so a tick that is killed anywhere can be
repeated: nothing is counted, decided or sent twice. Workers, and daemons beside the leader, do all but the last step
for their streams and store what they find; the leader plans notifications of it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from monitor import alerts as paging
from monitor.alerts.diagnosis.load import diagnosed
from monitor.alerts.settings import AlertSettings
from monitor.alerts.situation import Situation
from monitor.clock import Clock
from monitor.evaluation import targets as target_judging
from monitor.evaluation.self_monitoring import SelfMonitor
from monitor.evaluation.uptime import UptimeRecorder
from monitor.maintenance.leader import LeaderLease
from monitor.maintenance.rule_reload import RuleReloader
from monitor.records import DAEMON, Measurement, Stream
from monitor.rules.engine.evaluate import Evaluation
from monitor.rules.engine.readings import Readings
from monitor.rules.rule import RuleSet
from monitor.runtime.scheduler import URGENT, Scheduler
from monitor.store import alerts as alert_rows
from monitor.store import judgements
from monitor.store import targets as target_rows
from monitor.store.db import Store
from monitor.store.fenced_store import LeaseLostError
from monitor.workers import judgement
from monitor.workers.judge import SECONDS, StreamJudge
from monitor.workers.judgement import Judgement
from monitor.workers.pool import Elsewhere, WorkerPool, WorkerState
from monitor.workers.progress import Progress, Throttled
from monitor.workers.sent_measurements import MeasuredByWorkers

log = logging.getLogger(__name__)


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
    judge: StreamJudge
    rules: RuleReloader
    alerts: AlertSettings
    channels: frozenset[str]
    self_monitor: SelfMonitor
    leader: LeaderLease
    uptime: UptimeRecorder
    confirming: frozenset[str] = frozenset()
    workers: WorkerPool | None = None
    progress: Progress = field(default_factory=Progress)
    wake: Callable[[], object] = lambda: None

    def tick(self, now: float) -> Tick:
        """Run one tick at the time `now`. It ends early if other daemons have taken the streams of this one."""
        self.progress.begin()
        try:
            return self._tick(now)
        except LeaseLostError as error:
            log.warning("tick ended early: %s", error.message)
            return Tick(now, 0, 0, Evaluation(), 0)
        finally:
            self.progress.end()

    def schedule(self, scheduler: Scheduler, clock: Clock) -> None:
        """Renew the leases regularly."""
        if self.workers is not None:
            often = self.workers.lease / 3
            scheduler.every(often, "renew leases", lambda: self.renew(clock.now()), URGENT)

    def renew(self, now: float) -> None:
        """Renew the leases while a tick takes long, or until the next one. If a tick is stuck, they expire."""
        if self.workers is None or self.progress.is_stuck(self.workers.lease):
            return
        self.workers.renew(now)
        if self.leader.is_held:
            self.leader.acquire(now)

    def _tick(self, now: float) -> Tick:
        rules = self.rules.rules()
        self.uptime.keep(now)
        others = self.workers.judge(now, lambda: self._plan_waiting(now)) if self.workers else Elsewhere()
        began = time.monotonic()

        def triage() -> None:
            moment = now + time.monotonic() - began
            decide = partial(self._decide, others)
            self.judge.triage(rules, moment, others.is_mine, decide)
            self._plan_waiting(moment)

        triage()
        windows = self.judge.count(now, others.is_mine)  # rows -> profiles
        triage()
        own = self.self_monitor.measure(now)
        meanwhile = Throttled(SECONDS, triage)
        readings = self.judge.measure(rules, own, now, others.is_mine, meanwhile)  # profiles -> measurements
        done = Tick(
            now,
            len(readings.streams()) + others.streams,
            windows + others.windows,
            Evaluation(evaluated=others.evaluated, errors=others.errors),
            0,
        )
        if self.leader.acquire(now):
            return self._lead(rules, readings, others, done)
        if not others.is_worker:
            return done
        judged = self.judge.evaluate_and_store(  # another daemon on this database plans notifications
            rules, readings, now, lambda stream: stream != DAEMON and others.is_mine(stream)
        )
        counts = Evaluation(
            evaluated=judged.evaluated + others.evaluated, errors=judged.errors + others.errors
        )
        return replace(done, evaluation=counts)

    def measured(self) -> Mapping[tuple[Stream, int], Sequence[Measurement]]:
        """The measurements of the last tick, by stream and length of window."""
        own = self.judge.measuring.last
        receivers = self.workers.receivers() if self.workers else ()
        received = {
            stream: received for receiver in receivers for stream, received in receiver.received().items()
        }
        return MeasuredByWorkers(received, own) if received else own

    def worker_states(self) -> Sequence[WorkerState]:
        """The worker processes."""
        return self.workers.workers if self.workers else ()

    def stop(self) -> None:
        """End the workers, so that a tick that waits for them ends."""
        if self.workers:
            self.workers.stop()

    def close(self) -> None:
        """Close the database."""
        for store in (self.judge.store, self.store):
            store.close()

    def abandon(self) -> None:
        """Leave the database in the midst of work that has not ended."""
        for store in (self.judge.store, self.store):
            store.abandon()

    def leave(self) -> None:
        """Give up all leases, so that no other daemon has to wait for their end."""
        if self.workers:
            self.workers.leave()
        self.leader.hand_over()

    def _decide(self, others: Elsewhere, judged: Judgement, now: float) -> None:
        """The leader plans pages of what was found in a triage at once; others store it."""
        if self.leader.acquire(now):
            self._plan(judged, others, now)
        else:
            self.judge.put(judged, now)

    def _plan_waiting(self, now: float) -> None:
        """Plan notifications of what other processes have found, if this one is the leader."""
        if self.workers is None or not self.leader.is_held:
            return
        with self.store.faults.isolate(
            "tick", "what other processes have found"
        ):  # the end of the tick tries again
            with self.store.read() as connection:
                if not judgements.waiting(connection):
                    return
                stored = judgement.load(connection)
            self._plan(stored, Elsewhere(), now)

    def _plan(self, judged: Judgement, others: Elsewhere, now: float) -> None:
        """Plan notifications of some streams in the midst of a tick."""
        with self.store.read() as connection:
            is_elsewhere = self.judge.elsewhere(connection)
            known = alert_rows.load(connection)
            known = {key: alert for key, alert in known.items() if not is_elsewhere(alert.stream)}
            base, arrived = self.judge.measuring.base, judged.arrived(connection)
            evaluation = diagnosed(connection, judged.evaluation, known, base, now, arrived)
        with self.leader.write() as writing:
            if writing is None or not others.is_in_force(writing):
                return
            judgements.remove(writing, judged.streams)
            plan = paging.advance(
                writing, evaluation, known, self.alerts, self.channels, now, self.confirming
            )
        if plan.deliveries:
            self.wake()

    def _lead(self, rules: RuleSet, readings: Readings, others: Elsewhere, done: Tick) -> Tick:
        """Evaluate what is left to this process, and plan notifications of what all have found."""
        now, judge = done.at, self.judge
        with self.store.read() as connection:
            stored = judgement.load(connection) if self.workers else Judgement()
            is_elsewhere = judge.elsewhere(connection)
            known = alert_rows.load(connection)
            standing = target_rows.current(connection)
        known = {key: alert for key, alert in known.items() if not is_elsewhere(alert.stream)}

        def is_away(stream: Stream) -> bool:
            return stream in stored.streams or not others.is_mine(stream) or is_elsewhere(stream)

        mine = {key: alert for key, alert in known.items() if not is_away(alert.stream)}
        own = judge.evaluate(rules, readings, mine, now, is_away)  # measurements -> states, with reasons
        here = Judgement(own, judge.measuring.recent_profiles)
        both = judgement.together([Judgement(done.evaluation), here, stored])
        evaluation = both.evaluation
        if evaluation.alerts:  # diagnoses
            with self.store.read() as connection:
                base = judge.measuring.base
                evaluation = diagnosed(connection, evaluation, known, base, now, both.arrived(connection))
        with self.leader.write() as writing:  # states -> notifications, in one transaction
            if writing is None or not others.is_in_force(writing):
                return done
            target_rows.put(writing, target_judging.advance(standing, judge.measuring.judged(), now))
            judgements.remove(writing, stored.streams)
            plan = paging.advance(
                writing, evaluation, known, self.alerts, self.channels, now, self.confirming
            )
        return replace(done, evaluation=evaluation, deliveries=len(plan.deliveries), after=plan.after)
