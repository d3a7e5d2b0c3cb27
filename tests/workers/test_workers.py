"""Workers decide what one process decides. One that dies or hangs loses its streams to the others."""

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from monitor import wiring
from monitor.childprocess.attempts import Attempts
from monitor.records import DAEMON, State, Stream
from monitor.rules.engine.readings import OPEN
from monitor.store import alerts, worker_leases
from monitor.store.db import Store, metadata
from monitor.store.fenced_store import FencedStore, LeaseLostError
from monitor.workers.assignment import owner
from monitor.workers.pool import WorkerPool, WorkerState
from tests.support.thorough import THOROUGH
from tests.support.waiting import until
from tests.workers.conftest import Fleet, fleet_of, kill, told

Decided = dict[str, list[tuple[object, ...]]]


def pool_of(fleet: Fleet) -> WorkerPool:
    assert fleet.app.pipeline.workers is not None
    return fleet.app.pipeline.workers


def shares(fleet: Fleet) -> dict[str, list[Stream]]:
    """The streams of each worker, by the measurements that it has reported."""
    return {
        one.name: sorted(
            {
                stream
                for stream, received in one.receiver.received().items()
                if set(received.sent.lengths) - {OPEN}
            }
        )
        for one in pool_of(fleet).workers
    }


def firing(fleet: Fleet) -> set[str]:
    with fleet.app.store.read() as connection:
        known = alerts.load(connection).values()
    return {alert.stream.model for alert in known if alert.state is State.FIRING}


@dataclass(frozen=True)
class Scene:
    """A fleet with two workers, what it decided in its first minutes, and what one process decided in the same."""

    fleet: Fleet
    decided: Decided
    alone: Decided

    def begin(self) -> WorkerPool:
        """Both workers run, and all models are well."""
        pool = pool_of(self.fleet)
        pool._attempts = Attempts()
        self.fleet.start_workers()
        self.minute()
        assert firing(self.fleet) <= {"model-0"}, "which misses its target"
        return pool

    def minute(self, *, failing: bool = False) -> None:
        """The next minute, with two ticks."""
        everyone = range(len(self.fleet.streams))
        self.fleet.minute(next(_numbers), failing=everyone if failing else ())


MODELS, MINUTES = (6, 8) if THOROUGH else (4, 6)
NAME = "host/1/fleet"
_numbers = itertools.count(MINUTES)


def story(fleet: Fleet) -> Decided:
    """Some minutes: errors of two models, and a feature of another that moves."""
    for number in range(MINUTES):
        failing = [1, MODELS - 1] if number in (1, 2, 3) else ()
        fleet.minute(number, failing=failing, moved=[2] if number > MINUTES - 3 else ())
    return fleet.dump()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("workers")
    with fleet_of(folder / "one", MODELS, 1) as one:
        alone = story(one)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(wiring, "process_name", lambda: NAME)  # each worker gets some of the models
        two = Fleet(folder / "two", MODELS, 2)
    with closing(two):
        yield Scene(two, story(two), alone)


def test_workers_and_one_process_decide_the_same_to_the_last_bit(scene: Scene) -> None:
    assert sorted(chain.from_iterable(shares(scene.fleet).values())) == scene.fleet.streams
    assert all(shares(scene.fleet).values()), "one worker has all streams, so nothing was compared"
    assert all(scene.alone.values()), "something of each was decided"
    for table, rows in scene.alone.items():
        assert scene.decided[table] == rows, table


@pytest.mark.skipif(
    not THOROUGH, reason="what moves streams is the same as after a kill; waking takes seconds"
)
def test_a_frozen_worker_delays_one_tick_and_writes_nothing_when_it_wakes(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    pool, fleet = scene.begin(), scene.fleet
    frozen, other = pool.workers
    mine = shares(fleet)[frozen.name]
    pool._at_most = 0.5
    os.kill(pid_of(frozen), signal.SIGSTOP)
    scene.minute()
    assert frozen.work is not None, "it was given an order"
    assert not frozen.is_idle(pool.lease), "it may be slow"
    frozen.moved_at -= 2 * pool.lease  # so long ago did it compute anything
    pool._at_most = 60.0
    scene.minute()
    assert shares(fleet)[other.name] == fleet.streams
    before = fleet.dump()
    os.kill(pid_of(frozen), signal.SIGCONT)
    until(frozen.work.done, "it has carried out its old order")
    assert fleet.dump() == before
    fleet.clock.advance(1)
    fleet.app.tick()
    assert "divided among the workers anew" in caplog.text
    scene.minute()
    assert shares(fleet)[frozen.name] == mine, "it has its streams again"
    assert told(fleet) == ""


def test_the_streams_of_killed_workers_are_judged_by_the_others_and_without_any_by_the_daemon(
    scene: Scene,
) -> None:
    pool, fleet = scene.begin(), scene.fleet
    first, second = pool.workers
    assert shares(fleet)[first.name]
    kill(first)
    scene.minute(failing=True)  # two ticks
    assert shares(fleet)[second.name] == fleet.streams
    assert firing(fleet) >= {stream.model for stream in fleet.streams}
    assert "SIGKILL" in told(fleet)
    kill(second)
    scene.minute()
    assert {stream for stream, _ in fleet.app.pipeline.judge.measuring.last} >= {*fleet.streams, DAEMON}
    with fleet.app.store.read() as connection:
        known = alerts.load(connection).values()
    judged = {alert.stream for alert in known if alert.evaluated_at == fleet.clock.now()}
    assert judged >= set(fleet.streams), "by the daemon, in the last tick"


def pid_of(worker: WorkerState) -> int:
    pid = worker.resident.pid
    assert pid is not None
    return pid


def test_only_the_streams_of_a_worker_that_leaves_move() -> None:
    streams = [Stream("acme", f"model-{number}") for number in range(2000)]
    of_three = {stream: owner(stream, ["a", "b", "c"]) for stream in streams}
    of_two = {stream: owner(stream, ["c", "a"]) for stream in streams}
    assert all(of_two[stream] == name for stream, name in of_three.items() if name != "b")
    counts = [list(of_three.values()).count(name) for name in "abc"]
    assert min(counts) > 580, counts
    moved = [of_two[stream] for stream, name in of_three.items() if name == "b"]
    assert 0.4 < moved.count("a") / len(moved) < 0.6


def test_a_division_that_was_replaced_refuses_all_writes(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/leases.db")
    metadata.create_all(store.engine)
    with store.write() as connection:
        division = worker_leases.divide(connection, "here", ["a", "b"], 0.0, 15.0)
    fenced = FencedStore(str(store.url), lambda connection: worker_leases.is_in_force(connection, division))
    with fenced.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1, (
            "synced with the daemon's commits"
        )
    with store.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "which are"
    with store.write() as connection:
        again = worker_leases.divide(connection, "here", ["a", "b"], 10.0, 15.0)
        assert again == division, "renewed"
    with fenced.write():
        pass
    with store.write() as connection:
        worker_leases.divide(connection, "here", ["a"], 10.0, 15.0)
    with pytest.raises(LeaseLostError), fenced.write():
        pytest.fail("the block must not begin")
    fenced.close()
    store.close()
