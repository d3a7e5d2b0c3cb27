"""Workers decide what one process decides. One that dies or hangs loses its streams to the others."""

import os
import signal
from itertools import chain
from pathlib import Path

import pytest

from monitor.records import DAEMON, State, Stream
from monitor.rules.engine.readings import OPEN
from monitor.store import alerts, worker_leases
from monitor.store.fenced import FencedStore, LeaseLostError
from monitor.workers.pool import WorkerPool, WorkerState
from monitor.workers.share import owner
from tests.support.waiting import until
from tests.workers.conftest import Fleet, fleet_of


def pool_of(fleet: Fleet) -> WorkerPool:
    assert fleet.app.pipeline.workers is not None
    return fleet.app.pipeline.workers


def shares(fleet: Fleet) -> dict[str, list[Stream]]:
    """The streams of each worker, by the measurements that it has reported."""
    return {
        one.name: sorted({stream for stream, seconds in one.last if seconds != OPEN})
        for one in pool_of(fleet).workers
    }


def firing(fleet: Fleet) -> set[str]:
    with fleet.app.store.read() as connection:
        known = alerts.load(connection).values()
    return {alert.stream.model for alert in known if alert.state is State.FIRING}


def test_workers_and_one_process_decide_the_same_to_the_last_bit(tmp_path: Path) -> None:
    decided = []
    for workers in (1, 2):
        with fleet_of(tmp_path / str(workers), 5, workers) as fleet:
            for number in range(9):
                fleet.minute(
                    number, failing=[1, 4] if number in (3, 4, 5) else (), moved=[2] if number > 5 else ()
                )
            decided.append(fleet.dump())
            if workers == 2:
                assert sorted(chain.from_iterable(shares(fleet).values())) == fleet.streams
                assert all(shares(fleet).values()), "one worker has all streams, so nothing was compared"
    one, two = decided
    assert all(one.values()), "something of each was decided"
    for table in one:
        assert one[table] == two[table], table


def test_the_streams_of_a_killed_worker_are_judged_by_the_others_within_two_ticks(two: Fleet) -> None:
    two.minute(0)
    first, second = pool_of(two).workers
    lost = shares(two)[first.name]
    assert lost
    assert shares(two)[second.name]
    os.kill(pid_of(first), signal.SIGKILL)
    everyone = range(len(two.streams))
    two.minute(1, failing=everyone)  # two ticks
    two.minute(2, failing=everyone)
    assert shares(two)[second.name] == two.streams
    assert firing(two) >= {stream.model for stream in two.streams}
    assert "SIGKILL" in told(two)


def pid_of(worker: WorkerState) -> int:
    pid = worker.resident.pid
    assert pid is not None
    return pid


def told(fleet: Fleet) -> str:
    return "; ".join(fault.reason for fault in fleet.app.store.faults.active() if fault.part == "worker")


def test_without_workers_the_daemon_judges_by_itself(two: Fleet) -> None:
    two.minute(0)
    for worker in pool_of(two).workers:
        os.kill(pid_of(worker), signal.SIGKILL)
    everyone = range(len(two.streams))
    two.minute(1, failing=everyone)
    two.minute(2, failing=everyone)
    assert firing(two) >= {stream.model for stream in two.streams}
    assert {stream for stream, _ in two.app.pipeline.judge.measuring.last} >= {*two.streams, DAEMON}


def test_a_frozen_worker_delays_one_tick_and_writes_nothing_when_it_wakes(tmp_path: Path) -> None:
    with fleet_of(tmp_path / "frozen", 6, 2) as fleet:
        fleet.minute(0)
        pool = pool_of(fleet)
        pool._at_most = 0.5
        frozen, other = pool.workers
        mine = shares(fleet)[frozen.name]
        os.kill(pid_of(frozen), signal.SIGSTOP)
        fleet.minute(1)
        assert frozen.work is not None, "it was given an order"
        frozen.since -= 2 * pool._lease  # its lease has passed
        fleet.minute(2)
        assert shares(fleet)[other.name] == fleet.streams
        before = fleet.dump()
        os.kill(pid_of(frozen), signal.SIGCONT)
        until(frozen.work.done, "it has carried out its old order")
        assert fleet.dump() == before
        fleet.minute(3)
        assert "divided among the workers anew" in told(fleet)
        fleet.minute(4)
        assert shares(fleet)[frozen.name] == mine, "it has its streams again"
        assert told(fleet) == ""


def test_only_the_streams_of_a_worker_that_leaves_move() -> None:
    streams = [Stream("acme", f"model-{number}") for number in range(2000)]
    of_three = {stream: owner(stream, ["a", "b", "c"]) for stream in streams}
    of_two = {stream: owner(stream, ["c", "a"]) for stream in streams}
    assert all(of_two[stream] == name for stream, name in of_three.items() if name != "b")
    counts = [list(of_three.values()).count(name) for name in "abc"]
    assert min(counts) > 580, counts
    moved = [of_two[stream] for stream, name in of_three.items() if name == "b"]
    assert 0.4 < moved.count("a") / len(moved) < 0.6


def test_a_division_that_was_replaced_refuses_all_writes(two: Fleet) -> None:
    store = two.app.store
    with store.write() as connection:
        division = worker_leases.divide(connection, "here", ["a", "b"], 0.0, 15.0)
    fenced = FencedStore(
        str(store.url), lambda connection: worker_leases.is_in_force(connection, division), store.faults
    )
    with fenced.write():
        pass
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
