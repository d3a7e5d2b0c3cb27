"""Earlier measurements, for rules that compare with the same hour of last week."""

from functools import lru_cache

import numpy as np

from monitor.config.units import HOUR
from monitor.records import Labels, Stream
from monitor.store import timeseries
from monitor.store.db import Store

_MOST = 50_000


class PastMeasurements:
    """Answers from the stored hours. Answers are cached, because each tick asks the same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mean = lru_cache(_MOST)(self._load)

    def forget(self) -> None:
        """Clear the cache: a past hour was measured again."""
        self._mean.cache_clear()

    def __call__(
        self, stream: Stream, metric: str, labels: Labels, _seconds: int, start: float, end: float
    ) -> float | None:
        """The mean over the measured hours that start in `[start, end)`; None without any."""
        return self._mean(stream, metric, labels, int(start // HOUR), int(-(-end // HOUR)))

    def _load(self, stream: Stream, metric: str, labels: Labels, first: int, last: int) -> float | None:
        """The mean over the hours from `first` to `last` (exclusive), numbered from 1970."""
        start, end = first * HOUR, max(last, first + 1) * HOUR
        with self._store.read() as connection:
            series = timeseries.load(connection, stream, metric, HOUR, start, end, labels)
        values = series.values[~np.isnan(series.values)]
        return float(values.mean()) if len(values) else None
