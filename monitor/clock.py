"""Time as an argument. Times are seconds since the epoch, UTC, as floats."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day, which may be set, and a monotonic time, which may not."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. It may jump, in either direction."""
        ...

    def elapsed(self) -> float:
        """Seconds of monotonic time since an arbitrary start, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds since the machine was started."""
        return time.monotonic()


class ManualClock:
    """A clock that only moves when it is told to, for tests and backtests."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass (negative: set the clock back), and return the new time."""
        self._now += seconds
        self._elapsed += max(seconds, 0.0)
        return self._now

    def elapsed(self) -> float:
        """The time that has passed; setting the clock does not count."""
        return self._elapsed

    def step(self, seconds: float) -> float:
        """Set the clock forward or back, without time passing."""
        self._now += seconds
        return self._now

    def set(self, moment: float) -> None:
        """Jump to `moment`, as if the time in between had passed."""
        self.advance(moment - self._now)


def iso(moment: float) -> str:
    """`2026-11-23T08:00:00Z`: the format of times for people and in JSON."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a damaged row must not prevent a page
        return f"an impossible time ({moment:g})"


def minute(moment: float, now: float) -> str:
    """`14:02 UTC`, with the date if it is more than twelve hours before or after `now`."""
    try:
        at = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return iso(moment)
    return f"{at:%H:%M} UTC" if abs(now - moment) <= 43200 else f"{at:%Y-%m-%d %H:%M} UTC"
