"""Turns: large bodies are read one after the other, and those of one sender leave those of others theirs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from monitor.errors import BusyError
from monitor.predictions.large.reading import Line, line_of


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


class ReadingTurns:
    """The turns of large bodies at the processes that read them, one for each `Line`. A sender waits with one body at a
    time, at most `patience` seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._of_senders, self._of_lines = Turns(), Turns()

    @contextlib.asynccontextmanager
    async def of(self, sender: str, size: int) -> AsyncIterator[Line]:
        """Wait for the turn of a body of so many bytes, and have it until the end of the block.

        Raises:
            BusyError: it took too long.
        """
        line = line_of(size)
        async with contextlib.AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(self._patience):
                    await turns.enter_async_context(self._of_senders.of(sender))
                    await turns.enter_async_context(self._of_lines.of(line))
            except TimeoutError as error:
                hint = "send the same request again, or fewer records per request"
                raise BusyError("too many large requests wait", retry_after=5, hint=hint) from error
            yield line
