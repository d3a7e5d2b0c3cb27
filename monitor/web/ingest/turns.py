"""Turns: large bodies of one sender are decoded one after the other, so that those of others find a free thread."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


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
