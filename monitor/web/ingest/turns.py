"""Turns: what one sender sends is read one after the other, so that others have their turns beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from monitor.errors import BusyError
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.large.reading import PROCESSES, Line, line_of

_Read = TypeVar("_Read")
_RETRY_AFTER = 5
_LATER = "send the same request again"


class Turns:
    """One turn at a time for each sender. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[asyncio.Lock, int]] = {}

    @property
    def senders(self) -> int:
        """How many senders have a turn or wait for one."""
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def of(self, sender: str) -> AsyncIterator[None]:
        """Wait for the turn of a sender, and have it until the end of the block."""
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


class SharedTurns:
    """Turns at what serves only some at once: `places` says how many, by line. A sender has one turn at a time in all
    lines, and so waits for one turn of each other sender at most; nobody waits longer than `patience` seconds.
    """

    def __init__(self, places: Mapping[str, int], patience: float, busy: str, hint: str = _LATER) -> None:
        """`busy` and `hint` are the error's words if a sender waits too long."""
        self._patience, self._busy, self._hint = patience, busy, hint
        self._of_senders = Turns()
        self._lines = {line: asyncio.Semaphore(count) for line, count in places.items()}

    @contextlib.asynccontextmanager
    async def of(self, sender: str, line: str) -> AsyncIterator[None]:
        """Wait for the turn of a sender in a line, and have it until the end of the block.

        Raises:
            BusyError: it took too long.
        """
        async with contextlib.AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(self._patience):
                    await turns.enter_async_context(self._of_senders.of(sender))
                    await turns.enter_async_context(self._lines[line])
            except TimeoutError as error:
                raise BusyError(self._busy, retry_after=_RETRY_AFTER, hint=self._hint) from error
            yield


class ReadingTurns:
    """The turns of large bodies at the processes that read them, and the threads that wait for these."""

    def __init__(self, patience: float) -> None:
        hint = "send the same request again, or fewer records per request"
        busy = "too many large requests wait"
        self._turns = SharedTurns(dict.fromkeys(Line, PROCESSES), patience, busy, hint)
        self._threads = ThreadPoolExecutor(PROCESSES * len(Line), "reading")

    async def read(self, read: Callable[[RawRequest], _Read], request: RawRequest) -> _Read:
        """What `read` returns for a request, in its turn.

        Raises:
            BusyError: it took too long.
        """
        async with self._turns.of(request.sender, line_of(request.size)):
            return await asyncio.get_running_loop().run_in_executor(self._threads, read, request)
