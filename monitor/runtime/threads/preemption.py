"""Long work in a thread pauses while a short request of another sender is in progress.

The threads of a process share one interpreter. Until a short request is stored, it needs the interpreter some thirty
times, and each time waits for every thread that computes. So long work has preemption points, at which it pauses while
somebody else's short request is in progress. It pauses for at most a share of the time that it has worked, so others
never stop it, whatever they send.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")
_STEP = 0.001
"""Seconds after which a pause looks whether it may end."""
_MOST_CREDIT = 0.1
"""Seconds that it pauses at most, however long it has worked."""
OF_REQUESTS, OF_JOBS = 1.0, 0.25
"""The share of its working time that work for a request of a sender may have to pause, and that of the daemon's jobs,
of which all requests are others.
"""


class ShortRequests:
    """The short requests in progress, by sender. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_sender: Counter[str] = Counter()

    @contextmanager
    def of(self, sender: str) -> Iterator[None]:
        """One of a sender is in progress until the end of the block."""
        with self._lock:
            self._by_sender[sender] += 1
        try:
            yield
        finally:
            with self._lock:
                self._by_sender[sender] -= 1
                if not self._by_sender[sender]:
                    del self._by_sender[sender]

    def are_of_others(self, sender: str = "") -> bool:
        """Whether one of anybody but this sender is in progress."""
        return len(self._by_sender) > (sender in self._by_sender)


SHORT_REQUESTS = ShortRequests()
"""Those of this process, whose threads share its interpreter."""


class LongWork:
    """Work of one thread. `is_due` tells whether it should pause; `share` is how long at most, of its working time."""

    def __init__(
        self,
        is_due: Callable[[], bool],
        share: float,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`elapsed` is a clock that never goes back, in seconds."""
        self._is_due, self._share, self._elapsed, self._sleep = is_due, share, elapsed, sleep
        self._since, self._credit = elapsed(), 0.0

    def pause(self) -> None:
        """Pause while it is due and there is something left of the share."""
        now = self._elapsed()
        self._credit = min(_MOST_CREDIT, self._credit + self._share * (now - self._since))
        while self._credit > 0 and self._is_due():
            self._sleep(_STEP)
            before, now = now, self._elapsed()
            self._credit -= now - before
        self._since = now


class _OfThread(threading.local):
    work: LongWork | None = None


_CURRENT = _OfThread()


@contextmanager
def long_work(work: LongWork | None) -> Iterator[None]:
    """What this thread does in the block pauses at its preemption points; without `work`, it does not."""
    before, _CURRENT.work = _CURRENT.work, work
    try:
        yield
    finally:
        _CURRENT.work = before


def preemption_point() -> None:
    """Pause here if this thread does long work, and should. Call it every few milliseconds, without a lock that others
    wait for; in a transaction that writes it does nothing.
    """
    if (work := _CURRENT.work) is not None:
        work.pause()


def preemptible(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items, with a preemption point before each."""
    for item in items:
        preemption_point()
        yield item
