"""Relations of two columns of numbers: how often both are on the same side of their medians (Blomqvist 1950).

The share is 50 % if the columns are independent. It says more than the columns alone: both may look as usual while
they no longer move together. It needs no ranks and no moments, so outliers have no effect, and counts add.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import numbers
from monitor.windows.layout.edges import label_cells
from monitor.windows.layout.layout import RELATION, Column, ColumnKind, Floats

MOST_PAIRS, MOST_COLUMNS, MOST_OF_A_COLUMN = 50, 500, 4
MOST_ROWS = 5000
LEAST_ROWS = 200
LONGEST_NAME = 200
LEAST, MOST = 0.2, 0.98
"""The absolute value of 2 * share - 1 of the chosen pairs. Normal columns with correlation 0.31 have 0.2. Above 0.98
the two are the same quantity twice, and would take the places of others."""
_SURE = 4.0
"""Standard errors by which the value of a pair differs from that of independent columns. Of 125,000 pairs of them,
eight do."""
_BALANCED = 0.25
"""Minimum share of rows on either side of the median; values that repeat may not divide better."""
SAME, OPPOSITE = "on the same side", "on opposite sides"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Columns of numbers of a baseline, of which pairs are chosen; of each, some rows."""

    names: list[str] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    sides: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, column: pa.Array) -> None:
        """Add a column if its values divide at a median. All columns have the same rows."""
        if len(self.names) >= MOST_COLUMNS:
            return
        if len(column) > MOST_ROWS:
            column = column.take(pa.array(np.linspace(0, len(column) - 1, MOST_ROWS).astype(np.int64)))
        values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
        median = _median(values)
        if median is not None:
            self.names.append(name)
            self.medians.append(median)
            self.sides.append(sides(values, median))

    def chosen(self) -> list[Column]:
        """The columns of the strongest relations: at most as many as there are candidates, and 50."""
        if len(self.names) < 2:
            return []
        matrix = np.array(self.sides, np.float32)
        both = np.abs(matrix) @ np.abs(matrix).T
        strength = (matrix @ matrix.T) / np.maximum(both, 1.0)
        strength[(both < LEAST_ROWS) | (np.abs(strength) * np.sqrt(both) < _SURE)] = 0.0
        first, second = np.triu_indices(len(self.names), 1)
        size = np.abs(strength[first, second])
        used = np.zeros(len(self.names), int)
        pairs: list[tuple[int, int]] = []
        for place in np.argsort(-size, kind="stable").tolist():
            one, other = int(first[place]), int(second[place])
            if size[place] < LEAST or len(pairs) >= min(len(self.names), MOST_PAIRS):
                break
            if size[place] <= MOST and max(used[one], used[other]) < MOST_OF_A_COLUMN:
                used[[one, other]] += 1
                pairs.append((one, other))
        return [self._column(one, other) for one, other in pairs if self._is_short(one, other)]

    def _is_short(self, one: int, other: int) -> bool:
        return len(self.names[one]) + len(self.names[other]) <= LONGEST_NAME

    def _column(self, one: int, other: int) -> Column:
        first, second = self.names[one], self.names[other]
        said = [name.removeprefix("features.") for name in (first, second)]
        return Column(
            f"{RELATION}{said[0]} and {said[1]}",
            ColumnKind.BOOLEAN,
            edges=np.array([self.medians[one], self.medians[other]]),
            labels=(SAME, OPPOSITE),
            cells=label_cells(2),
            source=first,
            other=second,
        )


def sides(values: Floats, median: float) -> np.ndarray:
    """1 above the median, -1 below, 0 where there is no number, int8 (n,)."""
    return np.where(np.isnan(values), 0, np.where(values > median, 1, -1)).astype(np.int8)


def _median(values: Floats) -> float | None:
    """A number between two values of the column that divides it most evenly; None if none does."""
    ordered = np.sort(values[np.isfinite(values)])
    if ordered.size < LEAST_ROWS:
        return None
    middle = ordered[ordered.size // 2]
    first, stop = np.searchsorted(ordered, middle), np.searchsorted(ordered, middle, side="right")
    cut = int(first if abs(first - ordered.size / 2) <= abs(stop - ordered.size / 2) else stop)
    if min(cut, ordered.size - cut) < max(_BALANCED * ordered.size, 1):
        return None
    return float(ordered[cut - 1] / 2 + ordered[cut] / 2)
