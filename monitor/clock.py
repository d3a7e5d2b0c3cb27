"""Time as an argument. All times are seconds since the epoch, UTC, as a float."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the daemon the time of day, which may be set, and how much time passes, which may not."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. It may jump, in either direction."""
        ...

    def elapsed(self) -> float:
        """Seconds since some moment: differences are how long something took, whatever the time of day does."""
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
    """A clock that stands still until it is moved: for tests and for judging the past."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass (backwards: be set) and return the new time."""
        self._now += seconds
        self._elapsed += max(seconds, 0.0)
        return self._now

    def elapsed(self) -> float:
        """How much time has passed; being set is none."""
        return self._elapsed

    def step(self, seconds: float) -> float:
        """Be set forward or back, while no time passes."""
        self._now += seconds
        return self._now

    def set(self, moment: float) -> None:
        """Jump to `moment`, as if the time between had passed."""
        self.advance(moment - self._now)


def iso(moment: float) -> str:
    """`2026-11-23T08:00:00Z`: how a time is written for people and in JSON."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a damaged row: no page is worth losing for it
        return f"an impossible time ({moment:g})"


def minute(moment: float, now: float) -> str:
    """`14:02 UTC`, with the date if it is more than twelve hours before or after `now`."""
    try:
        at = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return iso(moment)
    return f"{at:%H:%M} UTC" if abs(now - moment) <= 43200 else f"{at:%Y-%m-%d %H:%M} UTC"
