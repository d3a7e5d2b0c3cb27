"""How many requests an address may make: a bucket that refills evenly, for each address."""

import threading


class Limiter:
    """Buckets of `per_minute` requests. Addresses that have been quiet for a minute are forgotten."""

    def __init__(self, per_minute: int, most_addresses: int = 10_000) -> None:
        self._most = per_minute
        self._most_addresses = most_addresses
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may ask (again); 0 lets the request through."""
        with self._lock:
            left, at = self._buckets.get(address, (float(self._most), now))
            left = min(float(self._most), left + max(0.0, now - at) * self._most / 60)
            allowed = left >= 1
            self._buckets[address] = (left - 1 if allowed else left, now)
            if len(self._buckets) > self._most_addresses:
                self._buckets = {key: known for key, known in self._buckets.items() if now - known[1] < 60}
            return 0.0 if allowed else (1 - left) * 60 / self._most
