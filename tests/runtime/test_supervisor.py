"""A thread that fails in any way is restarted and reported, and stops on request."""

import threading

import pytest

from monitor.runtime.faults import Faults
from monitor.runtime.supervisor import SupervisedThread

PATIENCE = 10.0


class Panic(BaseException):
    """What a library in another language raises."""


@pytest.mark.parametrize(
    "error", [ValueError("odd"), MemoryError(), SystemExit(1), RecursionError(), Panic(), BrokenPipeError()]
)
def test_a_thread_that_raises_anything_is_begun_again_and_told(error: BaseException) -> None:
    faults, stopping, again = Faults(), threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise error
        again.set()
        stopping.wait()

    thread = SupervisedThread("lane", work, stopping, faults)
    thread.start()
    assert again.wait(PATIENCE)
    assert thread.is_alive()
    (fault,) = faults.active()
    assert (fault.part, fault.subject, fault.count) == ("thread", "lane", 2)
    assert type(error).__name__ in fault.reason
    stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_one_that_returns_too_early_is_begun_again_too() -> None:
    faults, stopping = Faults(), threading.Event()
    runs = threading.Semaphore(0)
    thread = SupervisedThread("lane", runs.release, stopping, faults)
    thread.start()
    assert runs.acquire(timeout=PATIENCE)
    assert runs.acquire(timeout=PATIENCE)
    assert faults.active()[0].reason == "it ended unexpectedly"
    stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_stopping_ends_the_wait_before_the_next_run() -> None:
    faults, stopping, failed = Faults(), threading.Event(), threading.Event()

    def work() -> None:
        failed.set()
        raise ValueError

    thread = SupervisedThread("lane", work, stopping, faults)
    thread.start()
    assert failed.wait(PATIENCE)
    stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
