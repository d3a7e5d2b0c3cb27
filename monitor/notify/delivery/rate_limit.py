"""The rate limit of a channel: a token bucket, of which half is reserved for critical pages."""

from monitor.notify.channel import RateLimit
from monitor.records import Priority
from monitor.store.outbox import ANY_PRIORITY


class TokenBucket:
    """Limits the calls of a channel to its rate."""

    def __init__(self, rate: RateLimit | None, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst if rate else 0.0
        self._filled_at = now

    def lowest_priority(self, now: float) -> int | None:
        """The largest priority number that may be sent now; None if nothing may."""
        if self._rate is None:
            return ANY_PRIORITY
        elapsed = max(now - self._filled_at, 0.0)
        self._filled_at = now
        self._tokens = min(self._tokens + elapsed * self._rate.per_second, self._rate.burst)
        if self._tokens < 1:
            return None
        return ANY_PRIORITY if self._tokens - 1 >= self._rate.burst / 2 else Priority.CRITICAL_RESOLVE

    def take(self) -> None:
        """Count one call."""
        self._tokens -= 1
