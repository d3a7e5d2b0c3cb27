"""When jobs run."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.runtime.faults import Faults
from monitor.runtime.scheduler import URGENT, Interval, Scheduler
from tests.support.faketime import Wall
from tests.support.waiting import until


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    running = Scheduler()
    yield running
    running.stop()


def test_jobs_that_hang_do_not_keep_the_tick_from_running(scheduler: Scheduler) -> None:
    release, hanging, ticks = threading.Event(), [], []

    def hang() -> None:
        hanging.append(1)
        release.wait(300)

    for number in range(20):
        scheduler.every(0.05, f"probe {number}", hang)
    scheduler.every(0.05, "tick", lambda: ticks.append(1), URGENT)
    scheduler.start()
    try:
        until(lambda: len(hanging) >= 8, "all other threads hang")
        before = len(ticks)
        until(lambda: len(ticks) >= before + 3, "the tick goes on")
    finally:
        release.set()


def test_a_job_that_fails_is_told_and_runs_again(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[int] = []

    def fail() -> None:
        runs.append(1)
        raise ValueError("no")

    scheduler.every(0.05, "failing", fail)
    scheduler.start()
    until(lambda: len(runs) >= 2, "it runs again")
    assert "job failing failed and was skipped: ValueError: no" in caplog.text


def test_a_job_that_takes_longer_than_its_interval_is_logged(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler.every(0.05, "slow", lambda: threading.Event().wait(0.1))
    scheduler.every(30.0, "fast", lambda: None, first=0.0)
    scheduler.start()
    until(lambda: "job took longer than its interval" in caplog.text, "it is logged")
    late = [vars(record) for record in caplog.records if record.getMessage().startswith("job took")]
    assert {one["job"] for one in late} == {"slow"}
    assert all(one["duration"] >= 0.1 and one["interval"] == 0.05 for one in late)


CLOCKED = """
import time
from monitor.runtime.scheduler import URGENT, Scheduler

scheduler = Scheduler()
scheduler.every(0.05, "tick", lambda: print("tick", time.time(), flush=True), URGENT)
scheduler.every(600.0, "seldom", lambda: print("seldom", flush=True))
scheduler.start()
input()
scheduler.stop()
"""


@pytest.mark.parametrize("step", [-86_400, 86_400, 10 * 365 * 86_400])
def test_a_wall_clock_that_is_set_neither_stops_a_job_nor_hurries_it(tmp_path: Path, step: int) -> None:
    wall = Wall(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", CLOCKED],
        env=os.environ | wall.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        lines = iter(process.stdout)
        began = float(next(lines).split()[1])
        wall.set(step)
        after = 0
        stepped = time.monotonic()
        while after < 20:
            name, at = next(lines).split()
            assert name == "tick"
            after += abs(float(at) - began - step) < 60
        intervals = (
            20 - 2
        )  # the first tick may have been due at the very step, and the last one before may be late
        assert intervals * 0.05 <= time.monotonic() - stepped <= 100.0, "at its pace"
        process.stdin.write("\n")
        process.stdin.flush()
        assert [line for line in lines if not line.startswith("tick")] == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_of_apscheduler_ends_it_is_begun_again_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults, runs = Faults(), []
    scheduler = Scheduler(faults)
    scheduler.every(0.02, "tick", lambda: runs.append(1), URGENT)
    monkeypatch.setattr("monitor.runtime.scheduler._CLOCK_CHECK_SECONDS", 0.02)
    monkeypatch.setattr("monitor.runtime.scheduler._OVERDUE", 0.2)
    scheduler.start()
    try:
        until(lambda: len(runs) >= 2, "it runs")
        with monkeypatch.context() as broken:
            broken.setattr(Interval, "get_next_fire_time", lambda *_: 1 / 0)
            until(lambda: faults.active() != [], "it is told")
        before = len(runs)
        until(lambda: len(runs) >= before + 3, "it goes on")
    finally:
        scheduler.stop()
    assert {fault.subject for fault in faults.active()} == {"APScheduler"}


def test_even_a_job_that_panics_runs_again_and_the_others_with_it() -> None:
    faults = Faults()
    scheduler = Scheduler(faults)
    runs: list[str] = []

    def panic() -> None:
        runs.append("panic")
        raise SystemExit

    scheduler.every(0.02, "panics", panic)
    scheduler.every(0.02, "works", lambda: runs.append("works"))
    scheduler.start()
    until(lambda: min(runs.count("panic"), runs.count("works")) >= 3, "both go on")
    scheduler.stop()
    assert [fault.subject for fault in faults.active()] == ["panics"]
