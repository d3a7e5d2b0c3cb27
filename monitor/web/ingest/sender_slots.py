"""Shares slots for work among senders: one request of a sender after the other, those of others beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from monitor.errors import BusyError
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.large.reading import PROCESSES, SizeClass, size_class_of

_Read = TypeVar("_Read")
_RETRY_AFTER = 5
_LATER = "send the same request again"


class SenderLocks:
    """A lock for each sender. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[asyncio.Lock, int]] = {}

    @property
    def senders(self) -> int:
        """How many senders hold their lock or wait for it."""
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def of(self, sender: str) -> AsyncIterator[None]:
        """Hold the lock of a sender until the end of the block."""
        lock, count = self._waiting.get(sender, (asyncio.Lock(), 0))
        self._waiting[sender] = lock, count + 1
        try:
            async with lock:
                yield
        finally:
            lock, count = self._waiting[sender]
            if count > 1:
                self._waiting[sender] = lock, count - 1
            else:
                del self._waiting[sender]


class SharedSlots:
    """A limited number of slots in each line (`places`). A sender has at most one, so it waits for one request of each
    other sender at most, and never longer than `patience` seconds.
    """

    def __init__(self, places: Mapping[str, int], patience: float, busy: str, hint: str = _LATER) -> None:
        """`busy` and `hint` are the error's words if a sender waits too long."""
        self._patience, self._busy, self._hint = patience, busy, hint
        self._of_senders = SenderLocks()
        self._lines = {line: asyncio.Semaphore(count) for line, count in places.items()}

    @contextlib.asynccontextmanager
    async def of(self, sender: str, line: str) -> AsyncIterator[None]:
        """Hold a slot of a line for a sender until the end of the block.

        Raises:
            BusyError: it took too long.
        """
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._patience):
                    await held.enter_async_context(self._of_senders.of(sender))
                    await held.enter_async_context(self._lines[line])
            except TimeoutError as error:
                raise BusyError(self._busy, retry_after=_RETRY_AFTER, hint=self._hint) from error
            yield


class ReadingSlots:
    """The processes that read large bodies as slots, and the threads that wait for these processes."""

    def __init__(self, patience: float) -> None:
        hint = "send the same request again, or fewer records per request"
        busy = "too many large requests wait"
        self._slots = SharedSlots(dict.fromkeys(SizeClass, PROCESSES), patience, busy, hint)
        self._threads = ThreadPoolExecutor(PROCESSES * len(SizeClass), "reading")

    async def read(self, read: Callable[[RawRequest], _Read], request: RawRequest) -> _Read:
        """What `read` returns for a request, as soon as it has a slot.

        Raises:
            BusyError: it took too long.
        """
        async with self._slots.of(request.sender, size_class_of(request.size)):
            return await asyncio.get_running_loop().run_in_executor(self._threads, read, request)
