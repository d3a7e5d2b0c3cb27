"""Time as an argument. All times are seconds since the epoch, UTC, as a float."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the daemon the time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()


class ManualClock:
    """A clock that stands still until it is moved: for tests and for judging the past."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move by `seconds` (backwards too) and return the new time."""
        self._now += seconds
        return self._now

    def set(self, moment: float) -> None:
        """Jump to `moment`."""
        self._now = moment


def iso(moment: float) -> str:
    """`2026-11-23T08:00:00Z`: how a time is written for people and in JSON."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
