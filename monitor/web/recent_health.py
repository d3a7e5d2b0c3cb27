"""The state of a client's models, read once for all requests that wait for it.

Requests of one client beside others are answered one after the other. Whatever was read after a request arrived is as
right for it as what would be read for it alone, so that a hundred requests at once cost two readings, and none of them
gets anything from before it was sent.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from monitor.health.locale import Locale
from monitor.health.model_state import ClientHealth

_MOST = 4
"""States that are kept: one of a client with thousands of models has some megabytes."""
_Key = tuple[str, Locale]


@dataclass(frozen=True, slots=True)
class _Kept:
    began: float
    health: ClientHealth | None


class RecentHealth:
    """What was read last for each of some clients, as readers of one locale see it. Thread-safe."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        """`elapsed` is a clock that never goes back, in seconds."""
        self.elapsed = elapsed
        self._lock = threading.Lock()
        self._kept: dict[_Key, _Kept] = {}

    def of(self, key: _Key, arrived: float, read: Callable[[], ClientHealth | None]) -> ClientHealth | None:
        """The state of a client for a request that `arrived` then, by `elapsed`: what was read since, or `read` now."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.began > arrived:
            return kept.health
        began = self.elapsed()
        health = read()
        with self._lock:
            newest = self._kept.pop(key, None)
            self._kept[key] = newest if newest is not None and newest.began > began else _Kept(began, health)
            if len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
        return health
