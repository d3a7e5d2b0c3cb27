"""A counter from counts in the store: it only increases, as Prometheus requires, also when old rows are deleted."""

import threading
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class MonotonicCounter(Generic[K]):
    """Totals that increase with the counts, and stay when the counts decrease."""

    def __init__(self) -> None:
        self._totals: dict[K, float] = {}
        self._seen: dict[K, float] = {}
        self._lock = threading.Lock()

    def follow(self, counts: Mapping[K, float]) -> dict[K, float]:
        """The totals after adding all increases since the last call."""
        with self._lock:
            for key, count in counts.items():
                grown = max(0.0, count - self._seen.get(key, 0.0))
                self._totals[key] = self._totals.get(key, 0.0) + grown
            self._seen = dict(counts)
            return dict(self._totals)
