"""Counting many values of a column without sorting them.

Moments are counted in whole multiples of a column's unit, so every value lies in one of some ten thousand cells that
are a unit wide. How many values each cell holds gives the moments and the counts of all buckets. Only values that lie
outside of the grid, or in a cell that an edge runs through, are left to be looked at one by one. That costs half of a
sort, and gives the same to the last bit.
"""

from dataclasses import dataclass

import numpy as np

from monitor.windows.layout import BELOW, PLUS_INFINITY, Column, Floats
from monitor.windows.moments import LIMIT, WEIGHT_UNIT, Target, add_to_sums

FEWEST_ROWS = 40_000
"""For fewer values the cells themselves cost more than the sort."""
MOST_ROWS = 262_144
"""At a time. Sums of squares then stay below 2**53, where float64 is exact."""
_MOST_CELLS = 80_000
_STEPS = np.arange(_MOST_CELLS, dtype=np.float64)
_LOOK = 512
"""Values that are looked at to find out where the others lie."""
_TRIMMED = 16  # of these, so many may stay outside at each end
_MOST_APART = 0.4
_ROUNDING = 1.5 * 2.0**52
"""Added to a number it leaves a whole number, rounded as `rint` does (it is even), in the low bits of the sum."""
_ROUNDED = int(np.float64(_ROUNDING).view(np.uint64))
_WHOLE = 2.0**51  # holds for numbers up to this


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Cells `first`, `first + 1`, ... in units; `edges` are the cells where buckets begin, as places in it.

    `apart` are the cells that an edge runs through: which of their values are on which side, they do not tell.
    """

    first: int
    size: int
    edges: np.ndarray
    apart: np.ndarray

    def cells(self, values: Floats, unit: float) -> np.ndarray:
        """The place of each value's cell, `size` for a value outside of the grid or none at all."""
        with np.errstate(over="ignore"):
            shifted = values * (1.0 / unit)
        shifted += _ROUNDING
        places = shifted.view(np.uint64)
        places -= np.uint64(_ROUNDED + self.first)
        np.minimum(places, np.uint64(self.size), out=places)  # whatever is below has wrapped around
        return places.view(np.int64)

    def rest(self, values: Floats, cells: np.ndarray) -> Floats:
        """The values that have to be looked at one by one."""
        if self.apart.size == 0:
            return values[np.flatnonzero(cells == self.size)]
        is_apart = np.zeros(self.size + 1, bool)
        is_apart[self.apart] = is_apart[self.size] = True
        return values[np.flatnonzero(is_apart[cells])]


def count_on_grid(column: Column, values: Floats, same: float, found: Floats, into: Target) -> Floats:
    """Add values to the places `found` of their column and to its moments, and return those that could not be added.

    Each value counts one in `found`, and `same` in the moments.
    """
    grid = _grid(column, values)
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    if grid is None or not np.isfinite(highest - lowest):
        return values
    cells = grid.cells(values, column.unit)
    amounts = np.bincount(cells, minlength=grid.size + 1)
    amounts[grid.apart] = amounts[grid.size] = 0
    found[BELOW:PLUS_INFINITY] += _between(amounts, grid.edges)
    _add_moments(column, amounts[: grid.size], grid.first, round(same / WEIGHT_UNIT), into)
    extremes = into.extremes[column.moment]
    extremes[0], extremes[1] = min(extremes[0], lowest), max(extremes[1], highest)
    return grid.rest(values, cells)


def _grid(column: Column, values: Floats) -> _Grid | None:
    """A grid that holds most of the values, or None if there is no good one."""
    some = _cells_of(values[:: values.size // _LOOK], column.unit)
    some = np.sort(some[np.abs(some) < _WHOLE])
    if some.size < _LOOK // 2:
        return None
    first, last = some[0], some[-1]
    if last - first >= _MOST_CELLS:
        first, last = some[_TRIMMED], some[-1 - _TRIMMED]
    size = int(last - first) + 1
    if size > _MOST_CELLS or max(abs(first - column.origin), abs(last - column.origin)) >= LIMIT:
        return None
    edges = _cells_of(column.edges, column.unit)
    before = _cells_of(np.nextafter(column.edges, -np.inf), column.unit)
    places = np.clip(edges - first, 0, size).astype(np.int64)
    apart = edges[before == edges]
    is_apart = apart[np.minimum(np.searchsorted(apart, some), apart.size - 1)] == some if apart.size else 0.0
    if np.mean(is_apart) > _MOST_APART:
        return None
    inside = apart[(apart >= first) & (apart <= last)] - first
    return _Grid(int(first), size, places, inside.astype(np.int64))


def _cells_of(values: Floats, unit: float) -> Floats:
    """The cell that each value lies in, in units."""
    with np.errstate(over="ignore"):
        return np.asarray(np.rint(values * (1.0 / unit)))


def _between(amounts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many values are below the first edge, between the edges, and from the last one on."""
    starts = np.concatenate([[0], edges])
    counts = np.add.reduceat(amounts, starts)
    counts[:-1][starts[1:] == starts[:-1]] = 0  # there `reduceat` gives the next cell
    return np.asarray(counts)


def _add_moments(column: Column, amounts: np.ndarray, first: int, scale: int, into: Target) -> None:
    """Add the moments of so many values in each cell; sums are made from the first cell, and then moved."""
    steps = _STEPS[: amounts.size]
    weighted = amounts * steps
    n, total, squares = int(amounts.sum()), int(weighted.sum()), int(np.einsum("i,i->", weighted, steps))
    offset = first - int(column.origin)
    squares += 2 * offset * total + offset * offset * n
    add_to_sums(into.sums[column.moment], (total + offset * n) * scale, squares * scale)
