"""Rate limits per address: a token bucket that refills evenly."""

import threading


class Limiter:
    """Buckets of `per_minute` requests, for the `most_addresses` most recent addresses."""

    def __init__(self, per_minute: int, most_addresses: int = 10_000) -> None:
        self._most = per_minute
        self._most_addresses = most_addresses
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may send a request; 0 accepts this one."""
        with self._lock:
            tokens, at = self._buckets.pop(address, (float(self._most), now))
            tokens = min(float(self._most), tokens + max(0.0, now - at) * self._most / 60)
            allowed = tokens >= 1
            self._buckets[address] = (tokens - 1 if allowed else tokens, now)
            if len(self._buckets) > self._most_addresses:
                del self._buckets[next(iter(self._buckets))]
            return 0.0 if allowed else (1 - tokens) * 60 / self._most
