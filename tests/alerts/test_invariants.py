"""What must hold whatever happens in whatever order: a machine that tries."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import event

from monitor.records import State
from monitor.store import silences
from tests.support.judging import one_rule
from tests.support.killing import KilledError, Mortal
from tests.support.pagerduty import Fault
from tests.support.paging import PagingDaemon, errors
from tests.support.thorough import THOROUGH

RULE = "{metric: error_rate, over: open, above: 5%, clear: 4%}"
FAULTS = (
    Fault(503),
    Fault(429),
    Fault(500, after=True),
    Fault(cut=True),
    Fault(cut=True, after=True),
    Fault(202, body="no key", after=True),
)


def _without_sync(connection: Any, _record: Any) -> None:
    """No test kills the machine, so its disk need not be waited for."""
    connection.execute("PRAGMA synchronous=OFF")


class Pager(RuleBasedStateMachine):
    """Ticks, crashes, faults, silences, acknowledgements and jumps of the clock, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        self.daemon = PagingDaemon(folder, one_rule(folder, RULE, keep_firing_for="10s"))
        event.listen(self.daemon.store.engine, "connect", _without_sync)
        self.daemon.store.engine.dispose()
        self.daemon.__enter__()
        self.episodes = 0

    @initialize()
    def begin(self) -> None:
        self.daemon.run(0.01, 1)

    @rule(bad=st.booleans(), ticks=st.integers(1, 4), gap=st.sampled_from([1.0, 5.0, 10.0]))
    def measure(self, bad: bool, ticks: int, gap: float) -> None:
        for _ in range(ticks):
            self.daemon.tick([errors(0.3 if bad else 0.01)], after=gap)

    @rule(ticks=st.integers(1, 3))
    def nothing_is_measured(self, ticks: int) -> None:
        for _ in range(ticks):
            self.daemon.tick([], after=5)

    @rule()
    def deliver(self) -> None:
        self.daemon.deliver()

    @rule(fault=st.sampled_from(FAULTS))
    def pagerduty_fails(self, fault: Fault) -> None:
        self.daemon.pagerduty.script([fault])

    @rule()
    def crash_before_the_commit(self) -> None:
        self.daemon.kill_before_commit()
        with pytest.raises(KilledError):
            self.daemon.tick([errors(0.3)])

    @rule()
    def crash_after_the_answer(self) -> None:
        real = self.daemon.channels["pagerduty"]
        self.daemon.channels["pagerduty"] = Mortal(real)
        self.daemon.dispatcher = self.daemon.new_dispatcher()
        with suppress(KilledError):
            self.daemon.deliver()
        self.daemon.channels["pagerduty"] = real
        self.daemon.dispatcher = self.daemon.new_dispatcher()

    @rule(seconds=st.sampled_from([20.0, 60.0]))
    def silence(self, seconds: float) -> None:
        with self.daemon.store.read() as connection:
            is_silent = bool(silences.load(connection, self.daemon.now, with_past=True))
        if not is_silent:
            self.daemon.silence('client="acme"', seconds=seconds)

    @rule()
    def acknowledge(self) -> None:
        for incident in self.daemon.pagerduty.open():
            incident.status = "acknowledged"

    @rule(seconds=st.sampled_from([-3600.0, 3600.0, 86400.0]))
    def jump(self, seconds: float) -> None:
        self.daemon.clock.advance(seconds)

    @invariant()
    def incidents_never_outnumber_episodes(self) -> None:
        self.count()
        assert len(self.daemon.pagerduty.incidents) <= self.episodes

    def count(self) -> None:
        self.episodes = sum(alert.episode for alert in self.daemon.alerts())

    def teardown(self) -> None:
        """All faults are mended; then what fires is told, and what is over is closed."""
        daemon = self.daemon
        try:
            daemon.pagerduty.faults.clear()
            self._settle(0.3)
            self.count()
            assert [a.state for a in daemon.alerts() if a.rule == "Bad"] == [State.FIRING]
            assert len(daemon.pagerduty.open()) == 1, "it fires, and nobody was told"
            self._settle(0.01)
            assert daemon.pagerduty.open() == [], "it is over, and its incident is not"
            assert len(daemon.pagerduty.incidents) <= self.episodes
        finally:
            daemon.__exit__(None, None, None)
            self.folder.cleanup()

    def _settle(self, rate: float) -> None:
        with self.daemon.store.write() as connection:
            for silence in silences.load(connection, 0.0, with_past=True):
                silences.expire(connection, silence.id, min(self.daemon.now, silence.ends_at - 1))
        self._wait(rate)

    def _wait(self, rate: float) -> None:
        """Long enough for every lease, pause, retry and silence to end."""
        for _ in range(12):
            self.daemon.tick([errors(rate)], after=120)
            self.daemon.deliver()
        self.count()


Pager.TestCase.settings = settings(
    max_examples=250 if THOROUGH else 16,
    stateful_step_count=20,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
TestPager = Pager.TestCase
