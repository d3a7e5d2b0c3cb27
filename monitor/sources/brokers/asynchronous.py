"""Clients of brokers that only have coroutines, called from the one thread of a source."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0


class CallLoop:
    """An event loop of its own that runs during a call, with one deadline for the whole call."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        """The result of a coroutine.

        Raises:
            TimeoutError: it did not end within `seconds`; it was cancelled.
        """

        async def within() -> T:
            async with asyncio.timeout(seconds):
                return await coroutine

        return self._runner.run(within())

    def close(self, goodbye: Coroutine[Any, Any, object] | None = None) -> None:
        """Run the client's own way to disconnect, cancel what still runs, and close the loop; never raises."""
        try:
            if goodbye is not None:
                self.run(goodbye, _CLOSE_SECONDS)
        except Exception as error:  # the border: a connection in any state is given up
            log.debug("a broker's client did not disconnect: %s", error)
        finally:
            self._runner.close()
