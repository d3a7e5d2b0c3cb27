"""What was measured earlier, for rules that compare with the same hour of last week."""

from functools import lru_cache

import numpy as np

from monitor.config.units import HOUR
from monitor.records import Labels, Stream
from monitor.store import timeseries
from monitor.store.db import Store

_MOST = 50_000


class PastMeasurements:
    """Answers from the stored hours. The same question is asked at every tick, so an answer is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mean = lru_cache(_MOST)(self._load)

    def forget(self) -> None:
        """Ask the store again: an hour of the past was measured anew."""
        self._mean.cache_clear()

    def __call__(
        self, stream: Stream, metric: str, labels: Labels, _seconds: int, start: float, end: float
    ) -> float | None:
        """The mean over the measured hours that begin in `[start, end)`, or None where there are none."""
        return self._mean(stream, metric, labels, int(start // HOUR), int(-(-end // HOUR)))

    def _load(self, stream: Stream, metric: str, labels: Labels, first: int, last: int) -> float | None:
        """The mean over the hours from `first` up to `last`, numbered from 1970."""
        start, end = first * HOUR, max(last, first + 1) * HOUR
        with self._store.read() as connection:
            series = timeseries.load(connection, stream, metric, HOUR, start, end, labels)
        values = series.values[~np.isnan(series.values)]
        return float(values.mean()) if len(values) else None
