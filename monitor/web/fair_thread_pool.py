"""The threads of the event loop, shared among senders: whoever asks for much work waits for its own.

Handlers of pages, key checks and the decompression of bodies run here. A sender that is alone has at most half of the
threads; beside others, one, whether they ask for threads or only for the event loop: each computing thread is one more
that they all wait for in turns. The next free thread goes to the sender with the fewest. While a short request of
another sender is in progress, the work of a thread pauses at its preemption points.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from monitor.runtime.threads.preemption import OF_REQUESTS, SHORT_REQUESTS, LongWork, long_work

_BESIDE_SECONDS = 5.0
"""How long after its last request a sender counts as there."""
_SENDER: ContextVar[str] = ContextVar("sender", default="")
_Work = tuple[str, "Future[Any]", Callable[[], Any]]


def work_for(sender: str) -> None:
    """Have what this task asks of threads from now on count for a sender: a client, a key, or an address."""
    _SENDER.set(sender)
    threads = _OF_LOOPS.get(asyncio.get_running_loop())
    if threads is not None:
        threads.note(sender)


class FairThreads(ThreadPoolExecutor):
    """An executor in which the work of several senders takes turns, and that of each runs in its order."""

    def __init__(self, threads: int, elapsed: Callable[[], float] = time.monotonic) -> None:
        super().__init__(threads, "web")
        self._elapsed = elapsed
        self._latest = self._latest_other = ("", float("-inf"))
        self._each = max(1, threads // 2)
        self._free = threads
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = {}

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what the tasks of a loop ask of threads."""
        loop.set_default_executor(self)
        _OF_LOOPS[loop] = self

    def note(self, sender: str) -> None:
        """Count a sender as present. Work without a sender does not count."""
        if sender:
            if sender != self._latest[0]:
                self._latest_other = self._latest
            self._latest = sender, self._elapsed()

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Have work done for the sender of this task."""
        future: Future[Any] = Future()
        sender = _SENDER.get()
        self.note(sender)
        with self._lock:
            self._waiting.setdefault(sender, deque()).append((future, partial(work, *arguments, **named)))
            taken = self._taken()
        if taken is not None:
            super().submit(self._run, taken)
        return future

    def _taken(self) -> _Work | None:
        """The work that a free thread does next, if there is both."""
        if not self._free:
            return None
        allowed = [sender for sender in self._waiting if self._running[sender] < self._most(sender)]
        if not allowed:
            return None
        sender = min(allowed, key=self._running.__getitem__)
        waiting = self._waiting.pop(sender)
        future, work = waiting.popleft()
        if waiting:
            self._waiting[sender] = waiting  # the last of those with as few threads
        self._running[sender] += 1
        self._free -= 1
        return sender, future, work

    def _most(self, sender: str) -> int:
        """How many threads a sender may have now."""
        other = self._latest if self._latest[0] != sender else self._latest_other
        return 1 if self._elapsed() - other[1] < _BESIDE_SECONDS else self._each

    def _run(self, taken: _Work | None) -> None:
        """Do work until none may be done."""
        while taken is not None:
            sender, future, work = taken
            if future.set_running_or_notify_cancel():
                try:
                    with long_work(LongWork(partial(SHORT_REQUESTS.are_of_others, sender), OF_REQUESTS)):
                        future.set_result(work())
                except BaseException as error:  # boundary: whoever waits for it gets it
                    future.set_exception(error)
            del taken, future, work
            with self._lock:
                self._free += 1
                self._running[sender] -= 1
                if not self._running[sender]:
                    del self._running[sender]
                taken = self._taken()


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, FairThreads] = WeakKeyDictionary()
