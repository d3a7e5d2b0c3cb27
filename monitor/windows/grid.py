"""Counting many values of a column without sorting them.

Moments are counted in whole multiples of a column's unit, and rounding a value to its unit already says which bucket it
is in, unless an edge runs near. A table says for each cell, which is two units wide, at which place of the column its
values are counted. Only values outside of the table, and the few in a cell that an edge runs through, are looked at one
by one. That costs half of a sort and a search, and gives the same to the last bit.
"""

from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.windows.layout import BELOW, MINUS_INFINITY, PLUS_INFINITY, Column, Floats
from monitor.windows.moments import WEIGHT_UNIT, Target, add_to_sums

FEWEST_ROWS = 3000
"""For fewer values the calls cost more than the sort."""
MOST_ROWS = 32_768
"""At a time: they and what follows stay in the processor's cache, and sums of squares below 2**53, where float64 is
exact."""
_MOST_CELLS = 2**16
_FARTHEST = 2.0**19  # its square times MOST_ROWS is 2**53
_MOST_APART = 0.1
_MARGIN = 8  # of the range, so many a part more
_TRIMMED = 50  # of a wide range, so many a part less at each end
_PART = 8192
_ONES = np.ones(_PART)
_ROUNDING = 1.5 * 2.0**52
"""Added to a number it leaves a whole number, rounded as `rint` does (it is even), in the low bits of the sum."""
_ROUNDED = int(np.float64(_ROUNDING).view(np.int64))
_MOST_KEPT = 500
"""Tables. One takes about 60 kB, and as long to make as 3,000 values to count."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where the values of each cell are counted: `places[1 + k]` is the place of the units `first + 2 k` and the next.

    The first and the last of `places` stand for all that is outside: `outside`, which is no place of the column. One
    more than that stands for a cell that an edge runs through.
    """

    first: int
    places: np.ndarray
    outside: int


_GRIDS: WeakKeyDictionary[Column, Grid | None] = WeakKeyDictionary()


def grid_of(column: Column) -> Grid | None:
    """The grid of a column, kept as long as there is room; None where there is no good one."""
    with suppress(KeyError):
        return _GRIDS[column]
    if len(_GRIDS) >= _MOST_KEPT:
        _GRIDS.clear()
    made = _GRIDS[column] = _grid(column)
    return made


def count_on_grid(
    column: Column, grid: Grid, values: Floats, same: float, found: Floats, into: Target
) -> Floats:
    """Add at most `MOST_ROWS` values to the places `found` of their column and to its moments, and return those that
    could not be added.

    Each value counts one in `found`, and `same` in the moments.
    """
    with np.errstate(over="ignore"):
        steps = values * (1.0 / column.unit)
    steps += _ROUNDING
    cells = steps.view(np.int64) - (_ROUNDED + grid.first - 2)
    cells >>= 1
    places = grid.places.take(cells, mode="clip")  # which is either end for what is outside, and for NaN
    amounts = np.bincount(places, minlength=grid.outside + 2)
    found += amounts[: grid.outside]
    steps -= _ROUNDING + column.origin
    rest = values[:0]
    if amounts[grid.outside]:
        outside = np.flatnonzero(places == grid.outside)
        steps[outside] = 0.0
        rest = values[outside]
    if amounts[grid.outside + 1]:
        apart = values[np.flatnonzero(places > grid.outside)]
        np.add.at(found, MINUS_INFINITY + column.cuts.searchsorted(apart, side="right"), 1.0)
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
    """Sum and sum of squares, by the processor's fastest way; in parts that no threads are started for."""
    total = squares = 0.0
    for at in range(0, steps.size, _PART):
        part = steps[at : at + _PART]
        total += float(part @ _ONES[: part.size])
        squares += float(part @ part)
    return int(total), int(squares)


def _grid(column: Column) -> Grid | None:
    """A grid over the range of the edges, and a little more; over the middle of a range that is too wide; None where
    that would be too wide as well, or too many edges run through cells.
    """
    edges, before = (_cells_of(some, column.unit) for some in (column.edges, _below(column.edges)))
    apart = edges[edges == before]
    cut = edges.size // _TRIMMED
    for first, last in (_widened(edges[0], edges[-1]), (edges[cut], edges[-1 - cut])):
        size, farthest = last - first + 1, np.abs(2 * np.array([first, last + 1]) - column.origin).max()
        if size <= _MOST_CELLS and farthest < _FARTHEST and apart.size <= _MOST_APART * edges.size:
            break
    else:
        return None
    starts = np.clip(edges - first, 0, size)
    ends = np.diff(starts, prepend=0, append=size).astype(np.int64)
    places = np.repeat(np.arange(BELOW, column.size + PLUS_INFINITY), ends)
    places[(apart[(apart >= first) & (apart <= last)] - first).astype(np.int64)] = column.size + 1
    places = np.pad(places, 1, constant_values=column.size).astype(np.uint16)
    return Grid(2 * int(first), places, column.size)


def _below(values: Floats) -> Floats:
    return np.nextafter(values, -np.inf)


def _cells_of(values: Floats, unit: float) -> Floats:
    """The cell that each value lies in."""
    with np.errstate(over="ignore"):
        return np.asarray(np.floor(np.rint(values * (1.0 / unit)) / 2.0))


def _widened(first: float, last: float) -> tuple[float, float]:
    margin = (last - first) // _MARGIN
    return first - margin, last + margin
