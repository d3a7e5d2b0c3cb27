"""Percentiles from bucket counts: latencies and the delay of outcomes."""

import math

import numpy as np

from monitor.windows.layout.layout import ABOVE, BELOW
from monitor.windows.profile import ColumnCounts


class Quantiles:
    """The quantile function of one column of counts. Ranks run from 0 to n; values are exact to half a bucket."""

    def __init__(self, column: ColumnCounts) -> None:
        self._column = column
        self._cumulative = np.cumsum(
            np.concatenate([[column.counts[BELOW]], column.regular, [column.counts[ABOVE]]])
        )

    def at(self, rank: float) -> float:
        """Return the value at a rank: the geometric middle of its bucket (the arithmetic one
        from 0 down), clipped to the smallest and largest value.
        """
        column = self._column
        bucket = int(np.searchsorted(self._cumulative, max(rank, 1e-9)))
        lowest, highest = float(column.extremes[0]), float(column.extremes[1])
        if bucket == 0:
            return lowest
        if bucket > column.column.buckets:
            return highest
        edges = column.column.edges
        below, above = edges[bucket - 1], edges[bucket]
        middle = math.sqrt(below * above) if below > 0 else (below + above) / 2
        return min(max(middle, lowest), highest)


def percentile(column: ColumnCounts, share: float) -> float | None:
    """Return the quantile at `share` (0 to 1), exact to half a bucket; None if the column has no finite value."""
    n = column.finite
    return None if n <= 0 else Quantiles(column).at(share * n)
