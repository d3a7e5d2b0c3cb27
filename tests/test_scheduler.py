"""When jobs run."""

import threading
from collections.abc import Iterator

import pytest

from monitor.scheduler import URGENT, Scheduler
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
        release.wait(20)

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
    assert "the job 'failing' failed and will be tried again" in caplog.text
