"""A drill: the whole path of a rollback, from a fault to the proof, with the time of each step.

The fault is made of data in a store of its own in memory, so that no model's figures change. The executor is the one
for drills, or a dry run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from monitor.clock import ManualClock
from monitor.errors import WatchkeeperError
from monitor.maintenance.leader import LeaderLease
from monitor.records import Measurement, State, Stream, Window
from monitor.rollback import traffic
from monitor.rollback.executors.registry import kind_of
from monitor.rollback.planner import Planner
from monitor.rollback.settings import RollbackSettings
from monitor.rollback.verification import VerificationCheck, verify
from monitor.rollback.worker import RollbackWorker
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts, model_versions, profiles, rollbacks
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.model_versions import Version
from monitor.store.profiles import StoredProfile
from monitor.store.rollback_drills import FAILED, PASSED, Drill, DrillStep
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE

ROWS, MINUTE = 200, 60
HEALTHY, FAULTY = 0.01, 0.6
"""Shares of failures: of the version before, and of the new one with the fault."""


class DrillError(WatchkeeperError):
    """A step of a drill has not done what it should."""


@dataclass(slots=True)
class DrillRun:
    """One drill. `version` is the one to take back, `other` the one to go back to."""

    stream: Stream
    settings: RollbackSettings
    rules: RuleSet
    version: str
    other: str
    stop_file: Path
    author: str
    clock: ManualClock
    store: Store = field(default_factory=lambda: Store("sqlite://"))
    steps: list[DrillStep] = field(default_factory=list)
    elapsed: Callable[[], float] = time.monotonic

    def run(self) -> Drill:
        """Do all steps; the drill that came of it. It ends at the first step that fails."""
        started, began = self.clock.now(), self.elapsed()
        steps = (
            ("fault", self._fault), ("alert", self._alert), ("decide", self._decide), ("execute", self._execute),
            ("verify", self._verify), ("resolve", self._resolve),
        )  # fmt: skip
        try:
            for name, do in steps:
                if not self._step(name, do):
                    break
        finally:
            self.store.close()
        has_passed = len(self.steps) == len(steps) and all(step.worked for step in self.steps)
        executor = kind_of(self.settings.drill_executor) or "dry run"
        ended = started + self.elapsed() - began
        outcome = PASSED if has_passed else FAILED
        return Drill(self.stream, started, ended, outcome, self.author, executor, tuple(self.steps))

    def _step(self, name: str, do: Callable[[], str]) -> bool:
        began = self.elapsed()
        try:
            words, worked = do(), True
        except WatchkeeperError as error:
            words, worked = str(error), False
        self.steps.append(DrillStep(name, self.elapsed() - began, worked, words))
        return worked

    def _fault(self) -> str:
        """Two minutes in which the new version fails."""
        migrate(self.store)
        self.clock.set(self.clock.now() // MINUTE * MINUTE)
        self._minute({self.other: HEALTHY})
        for _ in range(2):
            self._minute({self.other: HEALTHY, self.version: FAULTY})
        return f"{FAULTY:.0%} of the answers of version {self.version} fail, as data"

    def _alert(self) -> str:
        self._evaluate((HEALTHY + FAULTY) / 2)
        with self.store.read() as connection:
            open_alerts = [one for one in alerts.load(connection).values() if one.state is State.FIRING]
        acting = {rule.name for rule in self.rules.for_stream(self.stream) if rule.action != "none"}
        named = sorted(open_alert.rule for open_alert in open_alerts if open_alert.rule in acting)
        if not named:
            raise DrillError("no rule with an action fires", hint="watchkeeper check-config")
        return f"{', '.join(named)} fires"

    def _decide(self) -> str:
        planner = Planner(
            self.store,
            {self.stream: self._own},
            lambda: self.rules,
            LeaderLease(self.store),
            MINUTE,
            self.stop_file,
        )
        planner.step(self.clock.now())
        row = self._row()
        if not row.was_ordered:
            raise DrillError(f"decided against it: {row.reason}")
        return f"{row.kind}: {row.reason}"

    def _execute(self) -> str:
        worker = RollbackWorker(self.store, lambda _: self._own, self.clock, self.stop_file)
        while worker.step():
            pass
        row = self._row()
        if row.state is not RollbackState.CONFIRMED:
            raise DrillError(row.detail or f"the order is {row.state}")
        return row.detail

    def _verify(self) -> str:
        """The traffic as it is when the platform has obeyed."""
        row = self._row()
        for _ in range(3):
            self._minute({self.other: HEALTHY})
        now = self.clock.now()
        with self.store.read() as connection:
            figures = traffic.load(connection, self.stream, (), MINUTE, row.decided_at - 600, now)
        after = verify(row, figures, VerificationCheck(now, MINUTE, self.settings.verify_within))
        if after.state is not RollbackState.VERIFIED:
            raise DrillError(after.detail)
        with self.store.write() as connection:
            rollbacks.change(connection, after, (row.state,))
        return f"{after.detail.rpartition('; ')[2]} (as data)"

    def _resolve(self) -> str:
        for _ in range(60):
            self.clock.advance(10)
            self._evaluate(0.0)
            with self.store.read() as connection:
                if not any(one.is_open for one in alerts.load(connection).values()):
                    return "all alerts have resolved"
        raise DrillError("an alert has not resolved within ten minutes")

    @property
    def _own(self) -> RollbackSettings:
        return self.settings.model_copy(update={"mode": "drill", "never": (), "migration": ()})

    def _row(self) -> Rollback:
        with self.store.read() as connection:
            rows = rollbacks.of_stream(connection, self.stream)
        if not rows:
            raise DrillError("no decision was made")
        return next((row for row in rows if row.was_ordered), rows[0])

    def _minute(self, failing: dict[str, float]) -> None:
        """Let a minute pass in which these versions answer, with these shares of failures."""
        start = int(self.clock.now())
        batches = [_rows(version, share) for version, share in failing.items()]
        profile = count(pa.Table.from_batches(batches).combine_chunks().to_batches()[0], BARE)
        window = Window(start, start + MINUTE)
        self.clock.set(float(window.end))
        with self.store.write() as connection:
            kept = StoredProfile(window, BARE.id, profile.rows, codec.encode(profile))
            profiles.put(connection, self.stream, [kept], self.clock.now())
            seen = [Version(self.stream, one, float(start), float(window.end)) for one in failing]
            model_versions.put(connection, seen)

    def _evaluate(self, error_rate: float) -> None:
        """Evaluate the rules in force on this error rate."""
        now = self.clock.now()
        measured = {}
        for length in sorted(self.rules.windows() | {OPEN}):
            window = Window(int(now) - (length or 10), int(now))
            measured[self.stream, length] = [
                Measurement(self.stream, window, "error_rate", error_rate, "share", n=ROWS * 2)
            ]
        with self.store.write() as connection:
            known = alerts.load(connection)
            done = evaluate(self.rules, Readings(measured), known, now)
            changed = [replace(alert, metric=alert.metric or "error_rate") for alert in done.alerts]
            alerts.put(connection, changed)


def _rows(version: str, failing: float) -> pa.RecordBatch:
    failed = [index < ROWS * failing for index in range(ROWS)]
    return pa.RecordBatch.from_pydict(
        {
            "version": pa.array([version] * ROWS),
            "error": pa.array(["drill" if bad else None for bad in failed], pa.string()),
            "prediction": pa.array([None if bad else "ok" for bad in failed], pa.string()),
        }
    )
