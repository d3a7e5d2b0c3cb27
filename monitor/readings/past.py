"""What was measured earlier, for rules that compare with the same hour of last week."""

import numpy as np

from monitor.records import Labels, Stream
from monitor.store import timeseries
from monitor.store.db import Store

HOUR = 3600
_MOST = 50_000


class Past:
    """Answers from the stored hours. The same question is asked at every tick, so an answer is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[Stream, str, Labels, int, int], float | None] = {}

    def forget(self) -> None:
        """Ask the store again: an hour of the past was measured anew."""
        self._known.clear()

    def __call__(
        self, stream: Stream, metric: str, labels: Labels, _seconds: int, start: float, end: float
    ) -> float | None:
        """The mean over the measured hours that begin in `[start, end)`, or None where there are none."""
        first = int(start // HOUR) * HOUR
        key = (stream, metric, labels, first, int(-(-end // HOUR)))
        if key not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            with self._store.read() as connection:
                series = timeseries.load(connection, stream, metric, HOUR, first, max(end, first + 1), labels)
            values = series.values[~np.isnan(series.values)]
            self._known[key] = float(values.mean()) if len(values) else None
        return self._known[key]
