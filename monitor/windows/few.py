"""Counting few rows of many columns: all columns of numbers in one matrix.

For a hundred rows, the calls that count a column cost far more than its values do. So columns are put under each
other and every step but the look-up is made for all of them at once. The result is the same to the last bit as that
of `kernel.count_numbers`, column by column.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from monitor.predictions import arrays
from monitor.windows.layout import MINUS_INFINITY, MISSING, NAN, Column, Floats
from monitor.windows.moments import EXACT, LIMIT, LOW_BITS, WEIGHT_UNIT, Target, add_moments

MOST_ROWS = 1000
_MOST_SQUARES = 2.0**62


def fits(column: Column, array: pa.Array) -> bool:
    """Can the column be counted here? It must be of numbers that are read as they are."""
    return not column.labelled and not column.part and bool(pa.types.is_float64(array.type))


def count_few(columns: Sequence[Column], values: Sequence[pa.Array], same: float, into: Target) -> None:
    """Add columns of numbers to their places; all have the same few rows, and each row counts for `same`."""
    ordered = np.sort(np.stack([arrays.floats(array) for array in values]), axis=1)
    sizes = np.array([column.cuts.size for column in columns])[:, None]
    starts = np.array([column.start for column in columns])[:, None]
    index = np.stack(
        [
            np.searchsorted(column.cuts, row, side="right")
            for column, row in zip(columns, ordered, strict=True)
        ]
    )
    places = starts + np.where(index == sizes, NAN, index + MINUS_INFINITY)
    found = np.bincount(places.ravel(), minlength=into.counts.size)
    counts = into.counts
    counts += found if same == 1.0 else found * same
    absent = np.array([array.null_count for array in values]) * same
    counts[starts[:, 0] + MISSING] += absent
    counts[starts[:, 0] + NAN] -= absent
    _add_moments(columns, ordered, (index > 0) & (index < sizes - 1), same, into)


def _add_moments(
    columns: Sequence[Column], ordered: Floats, finite: np.ndarray, same: float, into: Target
) -> None:
    """Add sums, squares and extremes of the finite values of each column."""
    units, origins = np.array([(column.unit, column.origin) for column in columns]).T
    lowest = np.where(finite, ordered, np.inf).min(axis=1)
    highest = np.where(finite, ordered, -np.inf).max(axis=1)
    scale = round(same / WEIGHT_UNIT)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.where(finite, np.rint(ordered * (1.0 / units)[:, None]) - origins[:, None], 0.0)
        farthest = np.maximum(np.abs(lowest / units - origins), np.abs(highest / units - origins)) + 1
        squares_bound = farthest * farthest * ordered.shape[1]
        small = (farthest < LIMIT) & (squares_bound < EXACT) & (squares_bound * scale < _MOST_SQUARES)
    moments = np.array([column.moment for column in columns])
    into.extremes[moments, 0] = np.minimum(into.extremes[moments, 0], lowest)
    into.extremes[moments, 1] = np.maximum(into.extremes[moments, 1], highest)
    totals = steps[small].sum(axis=1).astype(np.int64) * scale
    squares = np.einsum("ij,ij->i", steps[small], steps[small]).astype(np.int64) * scale
    sums, mask = into.sums[moments[small]], (1 << LOW_BITS) - 1
    low = sums[:, 2] + (squares & mask)
    into.sums[moments[small]] = np.stack(
        [sums[:, 0] + totals, sums[:, 1] + (squares >> LOW_BITS) + (low >> LOW_BITS), low & mask], axis=1
    )
    for row in np.flatnonzero(~small & finite.any(axis=1)).tolist():  # sums that need more than 64 bits
        add_moments(columns[row], ordered[row][finite[row]], same, into)
