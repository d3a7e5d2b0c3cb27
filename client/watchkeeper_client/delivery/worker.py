"""The thread that sends, started by the first record, started anew in a forked child, ended with the interpreter."""

from __future__ import annotations

import atexit
import os
import sys
import time
from _thread import LockType, allocate_lock, start_new_thread
from contextlib import suppress
from typing import Callable

from watchkeeper_client.delivery.sender import Sender
from watchkeeper_client.problems import ERROR, log

_POLL = 0.005
_LONGEST_SLEEP = 3_600.0


class Worker:
    """Runs the steps of a sender.

    The thread is started without waiting for it to run, which `threading.Thread` would do.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._wake = _locked()
        self._stepping = allocate_lock()
        self._is_running = False
        self._must_stop = False
        self._flush_until = 0.0
        self.is_closed = False

    def wake(self) -> None:
        """Have the sender look at the queue. Never waits, and may be called in a signal handler."""
        if not self._is_running:
            self._start()
        with suppress(RuntimeError):  # it is awake already
            self._wake.release()

    def _start(self) -> None:
        self._is_running = True
        try:
            start_new_thread(self._run, (self._wake,))
        except RuntimeError:  # the interpreter ends: `close` sends what there is
            self._is_running = False
            return
        _end_with_multiprocessing()

    def _run(self, wake: LockType) -> None:
        """What the thread does. An unforeseen fault is reported, and ends neither it nor anything else."""
        try:
            while not self._must_stop:
                due = self._step(time.monotonic() < self._flush_until)
                left = _LONGEST_SLEEP if due is None else due - time.monotonic()
                if time.monotonic() < self._flush_until:
                    left = min(left, 0.05)
                wake.acquire(True, min(max(left, 0.01), _LONGEST_SLEEP))
        finally:
            self._is_running = False

    def _step(self, flush: bool) -> float | None:
        with self._stepping:
            if self._must_stop:
                return None
            try:
                return self._sender.step(flush)
            except Exception:
                log(ERROR, "sending failed unexpectedly; it is tried again", with_error=True)
                return time.monotonic() + 5.0

    def hurry(self, until: float) -> None:
        """Until then, have nothing wait for others or for the next attempt."""
        self._flush_until = max(until, self._flush_until)
        self.wake()

    def is_settled(self, goal: int) -> bool:
        """Whether so many items of the queue are sent or dropped."""
        return self._sender.settled >= goal

    def flush(self, timeout: float, goal: int, is_enough: Callable[[], bool] = lambda: False) -> bool:
        """Wait until `goal` items of the queue are settled; whether they are within `timeout` seconds."""
        if self.is_settled(goal):
            return True
        deadline = time.monotonic() + timeout
        self.hurry(deadline)
        while not self.is_settled(goal):
            if time.monotonic() >= deadline or is_enough():
                return False
            if not self._is_running:
                self._step(True)
            time.sleep(_POLL)
        return True

    def close(self, timeout: float, goal: int) -> bool:
        """Send what waits, then stop. What is on disk need not be waited for where the daemon does not answer.

        False where the thread still waits for an answer; it ends with the process.
        """
        self.is_closed = True
        sender = self._sender
        self.flush(timeout, goal, lambda: sender.is_failing and sender.is_safe)
        self._must_stop = True
        self._flush_until = 0.0
        with suppress(RuntimeError):  # it is awake already
            self._wake.release()
        if is_idle := self._stepping.acquire(True, 0.5):
            self._stepping.release()
        return is_idle


def _locked() -> LockType:
    lock = allocate_lock()
    lock.acquire()
    return lock


class Forkable:
    """Something that has to begin anew in a forked child, and to be closed when the interpreter ends."""

    def begin_anew(self) -> None:
        """In the child: forget what is the parent's."""
        raise NotImplementedError

    def close(self, timeout: float | None = None) -> None:
        """The interpreter ends."""
        raise NotImplementedError


_alive: set[Forkable] = set()


def remember(one: Forkable) -> None:
    """Register it for forks and for the end of the interpreter, also when nothing else refers to it any more."""
    _alive.add(one)


def forget(one: Forkable) -> None:
    """It is closed."""
    _alive.discard(one)


def _after_fork() -> None:
    for one in list(_alive):
        one.begin_anew()


def _at_exit() -> None:
    for one in list(_alive):
        one.close()


def _end_with_multiprocessing() -> None:
    """A child of `multiprocessing` ends without `atexit`."""
    module = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if module is None or process is None or process.parent_process() is None:
        return
    module.Finalize(None, _at_exit, exitpriority=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
