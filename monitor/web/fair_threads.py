"""The threads of the event loop, shared among senders: whoever asks for much work waits for its own.

Handlers of pages, key checks and the decompression of bodies run here. Each sender has at most half of the threads, and
the next free one goes to the sender with the fewest, so that one of them always finds a thread soon.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any

_SENDER: ContextVar[str] = ContextVar("sender", default="")
_Work = tuple[str, "Future[Any]", Callable[[], Any]]


def work_for(sender: str) -> None:
    """Have what this task asks of threads from now on count for a sender: a client, a key, or an address."""
    _SENDER.set(sender)


class FairThreads(ThreadPoolExecutor):
    """An executor in which the work of several senders takes turns, and that of each runs in its order."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "web")
        self._each = max(1, threads // 2)
        self._free = threads
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = {}

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Have work done for the sender of this task."""
        future: Future[Any] = Future()
        sender = _SENDER.get()
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
        allowed = [sender for sender in self._waiting if self._running[sender] < self._each]
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

    def _run(self, taken: _Work | None) -> None:
        """Do work until none may be done."""
        while taken is not None:
            sender, future, work = taken
            if future.set_running_or_notify_cancel():
                try:
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
