"""What went wrong, reported through `logging`: each kind once, then again with a count at most every ten minutes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from logging import Logger

AGAIN_AFTER = 600.0
"""Seconds."""
_MOST_KINDS = 100
INFO, WARNING, ERROR = 20, 30, 40


def logger() -> Logger:
    """The logger `watchkeeper_client`. The first call imports `logging`."""
    import logging

    return logging.getLogger("watchkeeper_client")


def log(level: int, message: str, with_error: bool = False) -> None:
    """Write to the logger `watchkeeper_client`. Never raises, whatever a handler does."""
    with suppress(Exception):  # there is nobody left to tell
        logger().log(level, "%s", message, exc_info=with_error)


class Problems:
    """Keeps a fault that lasts from filling the log.

    Used by the sending thread alone, so that no caller waits for a handler.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}
        self._lasting: set[str] = set()
        logger()  # imported here: a fork while the sending thread imports it would leave its lock taken

    def tell(self, kind: str, message: str, level: int = WARNING) -> None:
        """Log `message`, unless one of its kind was logged a short while ago."""
        now = self._clock()
        at, unsaid = self._told.get(kind, (None, 0))
        if at is None and len(self._told) >= _MOST_KINDS:
            return
        if at is not None and now - at < AGAIN_AFTER:
            self._told[kind] = (at, unsaid + 1)
            return
        self._told[kind] = (now, 0)
        self._lasting.add(kind)
        log(level, message + (f" (and {unsaid:,} times more since it was last said)" if unsaid else ""))

    def over(self, kind: str, message: str) -> None:
        """Log that a problem is over, where it was logged."""
        if kind in self._lasting:
            self._lasting.remove(kind)
            log(INFO, message)
