"""Index arrays with which distances are computed for all columns of a layout at once.

Each distance takes a few operations over the flat array of counts, so a window of fifty columns costs little more than
one of five.
"""

from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np

from monitor.windows.layout.compact_counts import Kept, plain
from monitor.windows.layout.layout import LARGEST, MINUS_INFINITY, Column, Layout
from monitor.windows.profile import as_floats

_PLANS_WITH_WIDTHS = 8
"""Plans whose widths are kept: the windows of a model are measured one after the other. With 50 features they take
170 kB.
"""


@dataclass(frozen=True, slots=True, eq=False)
class DistancePlan:
    """Index arrays of a layout. `columns` are those whose drift is measured; `features` marks the inputs among them,
    `numeric` the number columns.

    `cell_starts` and `cell_kept` are for `reduceat`; `first_cell` is the first cell of each column among the kept ones.
    `ordered` are the places of the values of number columns from minus to plus infinity, `first_ordered` the first of
    each column among them. `numbers` are the number columns.
    """

    columns: tuple[Column, ...]
    numbers: tuple[Column, ...]
    features: np.ndarray
    numeric: np.ndarray
    starts: np.ndarray
    cell_starts: np.ndarray
    cell_kept: np.ndarray
    first_cell: np.ndarray
    ordered: tuple[slice, ...]
    ends: np.ndarray
    first_ordered: np.ndarray
    lengths: np.ndarray
    moments: np.ndarray
    units: np.ndarray
    origins: np.ndarray

    def cells(self, counts: np.ndarray) -> np.ndarray:
        """The counts of the cells of all columns, shape (cells,)."""
        return np.asarray(np.add.reduceat(counts, self.cell_starts)[self.cell_kept])

    def values(self, counts: np.ndarray) -> np.ndarray:
        """The values of each number column, infinite ones included, shape (number columns,)."""
        if not self.numbers:
            return np.empty(0)
        is_last = self.ends[-1] == counts.size
        return np.asarray(np.add.reduceat(np.append(counts, 0.0) if is_last else counts, self.ends)[::2])

    def order(self, kept: Kept) -> np.ndarray:
        """The counts of the values of number columns, from minus to plus infinity, column by column."""
        counts = plain(kept)
        return as_floats(np.concatenate([counts[places] for places in self.ordered] or [counts[:0]]))

    def sums(self, cells: np.ndarray) -> np.ndarray:
        """Sums over the cells of each column, shape (columns,)."""
        return np.asarray(np.add.reduceat(cells, self.first_cell))

    def widths(self) -> np.ndarray:
        """The width of each of the `ordered` places for the Wasserstein distance, in the column's units, as float32 if
        that can represent them. They are computed from the edges, and kept for the plans that were used last.
        """
        return _widths_of(self)

    def spread(self, per_column: np.ndarray) -> np.ndarray:
        """One number per column, repeated for each of its cells."""
        lengths = np.diff(np.append(self.first_cell, int(self.cell_kept.sum())))
        return np.repeat(per_column, lengths)


_PLANS: WeakKeyDictionary[Layout, DistancePlan] = WeakKeyDictionary()


def plan_of(layout: Layout) -> DistancePlan:
    """The plan of a layout, computed once and cached as long as the layout exists."""
    plan = _PLANS.get(layout)
    if plan is None:
        plan = _PLANS[layout] = _plan(layout)
    return plan


def _plan(layout: Layout) -> DistancePlan:
    columns = layout.watched
    numbers = [column for column in columns if not column.labelled]
    starts, kept, first = _cell_index(columns, layout.size)
    lengths = [column.size - MINUS_INFINITY for column in numbers]
    return DistancePlan(
        columns=columns,
        numbers=tuple(numbers),
        features=np.array([bool(column.feature) for column in columns], bool),
        numeric=np.array([not column.labelled for column in columns], bool),
        starts=np.array([column.start for column in columns], np.int64),
        cell_starts=starts,
        cell_kept=kept,
        first_cell=first,
        ordered=tuple(slice(number.start + MINUS_INFINITY, number.start + number.size) for number in numbers),
        ends=np.array(
            [(number.start + MINUS_INFINITY, number.start + number.size) for number in numbers], np.int64
        ).ravel(),
        first_ordered=np.cumsum([0, *lengths])[:-1].astype(np.int64),
        lengths=np.array(lengths, np.int64),
        moments=np.array([column.moment for column in numbers], np.int64),
        units=np.array([column.unit for column in numbers]),
        origins=np.array([column.origin for column in numbers]),
    )


def _cell_index(columns: tuple[Column, ...], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts: list[int] = []
    kept: list[bool] = []
    first: list[int] = []
    starts_after = [*(column.start for column in columns), size][1:]
    for column, next_start in zip(columns, starts_after, strict=True):
        first.append(sum(kept))
        starts += [column.start + cell for cell in column.cells]
        kept += [True] * len(column.cells)
        end = column.start + column.size
        if next_start != end:
            starts.append(end)  # a column that is not watched follows
            kept.append(False)
    return np.array(starts, np.int64), np.array(kept, bool), np.array(first, np.int64)


@lru_cache(maxsize=_PLANS_WITH_WIDTHS)
def _widths_of(plan: DistancePlan) -> np.ndarray:
    return _small(_widths(plan)) if plan.numbers else np.empty(0)


def _small(widths: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        small = widths.astype(np.float32)
    is_exact = np.isfinite(small) & ((small >= np.finfo(np.float32).tiny) | (widths == 0))
    return small if is_exact.all() else widths


def _widths(plan: DistancePlan) -> np.ndarray:
    """The weight of the gap at the upper edge of each place, from minus to plus infinity, in units.

    If the values of both sides are distributed equally inside a bucket of width w, with mean m above its lower edge,
    the area between the distribution functions there is the gap at the lower edge times m plus the gap at the upper
    edge times w - m.
    """
    first, lengths = plan.first_ordered, plan.lengths
    lower = np.concatenate(  # of each place but the first of a column
        [column.cuts for column in plan.numbers]
    )
    is_bucket = np.ones(lower.size, bool)
    for outside in (first, first + lengths - 3, first + lengths - 2, first + lengths - 1):
        is_bucket[outside] = False
    with np.errstate(over="ignore", invalid="ignore"):
        spans = np.minimum(np.diff(lower, append=0.0), LARGEST)
        spans /= np.repeat(plan.units, lengths)
    spans = np.where(is_bucket, np.minimum(spans, LARGEST), 0.0)
    widths: np.ndarray = spans * _share_below(plan, lower.size)
    spans -= widths
    widths[1:] += spans[:-1]
    return widths


def _share_below(plan: DistancePlan, places: int) -> np.ndarray:
    """The mean position of the baseline's values in each bucket: 0 at the lower edge, 1 at the upper."""
    within = np.zeros(places, np.uint8)
    for column, start in zip(plan.numbers, plan.first_ordered.tolist(), strict=True):
        within[start + 1 : start + 1 + column.within.size] = column.within
    share: np.ndarray = within / 255.0
    for column, start, length in zip(plan.numbers, plan.first_ordered, plan.lengths, strict=True):
        if not column.within.size:
            share[start : start + length] = 0.5
    return share
