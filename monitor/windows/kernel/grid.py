"""Counts many values of a column without sorting them.

Moments are counted in integer multiples of a column's unit. A value that is rounded to the unit already determines its
bucket, unless an edge is near. A table gives, for each cell of two units, the place of the column where its values are
counted. Only values outside of the table, and those in a cell that contains an edge, are searched one by one. This
costs half as much as sorting and searching, and gives identical results.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.windows.kernel.exact_sums import WEIGHT_UNIT, SumArrays, add_to_sums
from monitor.windows.layout.layout import BELOW, MINUS_INFINITY, PLUS_INFINITY, Column, Floats

FEWEST_ROWS = 3000
"""For fewer values, the calls cost more than sorting."""
MOST_ROWS = 32_768
"""Values per call: they stay in the processor's cache, and sums of squares below 2**53, where float64 is exact."""
_MAX_CELLS = 2**16
_MAX_DISTANCE = 2.0**19  # its square times MOST_ROWS is 2**53
_MAX_SHARE_WITH_EDGE = 0.1
_MARGIN_FRACTION = 8  # the grid is wider than the range by this fraction (1/8)
_TRIM_FRACTION = 50  # a wide range is cut by this fraction (1/50) at each end
_PART_SIZE = 8192
_ONES = np.ones(_PART_SIZE)
_ROUNDING = 1.5 * 2.0**52
"""Added to a number, it leaves the number, rounded as `rint` does, in the low bits of the sum."""
_ROUNDED = int(np.float64(_ROUNDING).view(np.int64))
_CACHE_SIZE = 500
"""Maximum number of tables. One takes about 60 kB, and as long to build as counting 3,000 values."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where the values of each cell are counted: `places[1 + k]` is the place of the units `first + 2 k` and the next.

    The first and the last of `places` represent all values outside: `outside`, which is not a place of the column.
    `outside + 1` marks a cell that contains an edge.
    """

    first: int
    places: np.ndarray
    outside: int


_GRIDS: WeakKeyDictionary[Column, Grid | None] = WeakKeyDictionary()
"""The cached grids, the least recently used first."""
_LOCK = threading.Lock()


def grid_of(column: Column) -> Grid | None:
    """The grid of a column; None if the column is not suitable. The least recently used grids are dropped."""
    with _LOCK, suppress(KeyError):
        grid = _GRIDS[column] = _GRIDS.pop(column)  # now the most recently used
        return grid
    grid = _grid(column)
    with _LOCK:
        while len(_GRIDS) >= _CACHE_SIZE:
            del _GRIDS[next(iter(_GRIDS))]
        _GRIDS[column] = grid
    return grid


def count_on_grid(
    column: Column, grid: Grid, values: Floats, same: float, counts: Floats, into: SumArrays
) -> Floats:
    """Add at most `MOST_ROWS` values to `counts` and to the column's moments. Returns the values that could not be
    added.

    Each value counts one in `counts`, and `same` in the moments.
    """
    with np.errstate(over="ignore"):
        steps = values * (1.0 / column.unit)
    steps += _ROUNDING
    cells = steps.view(np.int64) - (_ROUNDED + grid.first - 2)
    cells >>= 1
    places = grid.places.take(cells, mode="clip")  # clipped to either end for outside values and NaN
    amounts = np.bincount(places, minlength=grid.outside + 2)
    counts += amounts[: grid.outside]
    steps -= _ROUNDING + column.origin
    rest = values[:0]
    if amounts[grid.outside]:
        outside = np.flatnonzero(places == grid.outside)
        steps[outside] = 0.0
        rest = values[outside]
    if amounts[grid.outside + 1]:
        with_edge = values[np.flatnonzero(places > grid.outside)]
        np.add.at(counts, MINUS_INFINITY + column.cuts.searchsorted(with_edge, side="right"), 1.0)
    if amounts[grid.outside] == values.size:
        return rest
    scale = round(same / WEIGHT_UNIT)
    total, squares = _sums(steps)
    add_to_sums(into.sums[column.moment], total * scale, squares * scale)
    inside = values if rest.size == 0 else values[places != grid.outside]
    extremes = into.extremes[column.moment]
    extremes[0], extremes[1] = min(extremes[0], inside.min()), max(extremes[1], inside.max())
    return rest


def _sums(steps: Floats) -> tuple[int, int]:
    """Sum and sum of squares, in parts small enough that BLAS starts no threads."""
    total = squares = 0.0
    for at in range(0, steps.size, _PART_SIZE):
        part = steps[at : at + _PART_SIZE]
        total += float(part @ _ONES[: part.size])
        squares += float(part @ part)
    return int(total), int(squares)


def _grid(column: Column) -> Grid | None:
    """A grid over the range of the edges and a margin, or over the middle of a range that is too wide.

    None if that is also too wide, or if too many cells contain edges.
    """
    edges, before = (_cells_of(values, column.unit) for values in (column.edges, _below(column.edges)))
    with_edge = edges[edges == before]
    trimmed = edges.size // _TRIM_FRACTION
    for first, last in (_widened(edges[0], edges[-1]), (edges[trimmed], edges[-1 - trimmed])):
        size, farthest = last - first + 1, np.abs(2 * np.array([first, last + 1]) - column.origin).max()
        if (
            size <= _MAX_CELLS
            and farthest < _MAX_DISTANCE
            and with_edge.size <= _MAX_SHARE_WITH_EDGE * edges.size
        ):
            break
    else:
        return None
    starts = np.clip(edges - first, 0, size)
    ends = np.diff(starts, prepend=0, append=size).astype(np.int64)
    places = np.repeat(np.arange(BELOW, column.size + PLUS_INFINITY), ends)
    places[(with_edge[(with_edge >= first) & (with_edge <= last)] - first).astype(np.int64)] = column.size + 1
    places = np.pad(places, 1, constant_values=column.size).astype(np.uint16)
    return Grid(2 * int(first), places, column.size)


def _below(values: Floats) -> Floats:
    return np.nextafter(values, -np.inf)


def _cells_of(values: Floats, unit: float) -> Floats:
    """The cell of each value."""
    with np.errstate(over="ignore"):
        return np.asarray(np.floor(np.rint(values * (1.0 / unit)) / 2.0))


def _widened(first: float, last: float) -> tuple[float, float]:
    margin = (last - first) // _MARGIN_FRACTION
    return first - margin, last + margin
