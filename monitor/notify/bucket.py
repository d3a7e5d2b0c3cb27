"""A token bucket whose last half is kept for what is critical."""

from monitor.notify.channel import Rate

CRITICAL = 1
"""The largest priority number of a critical page or its resolve."""
EVERYTHING = 99


class Bucket:
    """Says what may be sent now without going over a channel's rate."""

    def __init__(self, rate: Rate | None, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst if rate else 0.0
        self._filled_at = now

    def lowest_priority(self, now: float) -> int | None:
        """The largest priority number that may go now; None: nothing may."""
        if self._rate is None:
            return EVERYTHING
        elapsed = max(now - self._filled_at, 0.0)
        self._filled_at = now
        self._tokens = min(self._tokens + elapsed * self._rate.per_second, self._rate.burst)
        if self._tokens < 1:
            return None
        return EVERYTHING if self._tokens - 1 >= self._rate.burst / 2 else CRITICAL

    def take(self) -> None:
        """One call is made."""
        self._tokens -= 1
