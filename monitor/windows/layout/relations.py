"""Relations of two columns: how often both are on the same side of their medians (Blomqvist 1950).

The share is 50 % if the columns are independent. It says more than the columns alone: both may look as usual while
they no longer move together. It needs no ranks and no moments, so outliers have no effect, and counts add.
Of a column of labels, or a declared segment, the rows with one label are one side, and all others the opposite one. The
share then changes when a number moves within these rows while its own distribution stays as it was.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.windows.layout.compact_edges import plain
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
MOST_LABELLED, MOST_LABELS = 50, 3
"""Pairs of a label and a number, and labels of a column."""
_COMMON = 0.05
"""Minimum share of rows with the label, and without it."""
SAME, OPPOSITE = "on the same side", "on opposite sides"


@dataclass(frozen=True, slots=True)
class _Label:
    """One of the frequent labels of a column: its `rank` there, whether each row has it (`sides`, as of numbers), and
    how evenly it divides the rows: at most 0.25.
    """

    column: str
    label: str
    rank: int
    sides: np.ndarray
    balance: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Columns of a baseline, of which pairs are chosen; of each, some rows. `labels` are those of other columns."""

    names: list[str] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    sides: list[np.ndarray] = field(default_factory=list)
    labels: list[_Label] = field(default_factory=list)

    def add(self, name: str, column: pa.Array) -> None:
        """Add a column if its values divide at a median. All columns have the same rows."""
        if len(self.names) >= MOST_COLUMNS:
            return
        column = _some_rows(column)
        values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
        median = _median(values)
        if median is not None:
            self.names.append(name)
            self.medians.append(median)
            self.sides.append(sides(values, median))

    def add_labels(self, name: str, column: pa.Array) -> None:
        """Add the most frequent labels of a column. A second label says nothing new where there are only two."""
        encoded = names(_some_rows(column))
        counts = arrays.code_counts(encoded)[:-1]
        total = float(counts.sum())
        if total < LEAST_ROWS:
            return
        codes = arrays.codes(encoded, len(counts))
        texts = encoded.dictionary.to_pylist()
        frequent = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], texts[code]))
        for rank, code in enumerate(frequent[: min(MOST_LABELS, max(len(frequent) - 1, 1))]):
            share = float(counts[code]) / total
            if min(share, 1 - share) >= _COMMON:
                has = np.where(codes == len(counts), 0, np.where(codes == code, 1, -1)).astype(np.int8)
                self.labels.append(_Label(name, texts[code], rank, has, share * (1 - share)))

    def chosen(self) -> list[Column]:
        """The strongest relations of numbers: at most as many as candidates, and 50; then those with labels."""
        return [*self._of_numbers(), *self._with_labels()]

    def _with_labels(self) -> list[Column]:
        """Labels with numbers, at most 50: of each column and number first the most frequent label. Strength does not
        matter, because most numbers are alike in all segments before they move in one.
        """
        pairs = [(label, place) for label in self.labels for place in range(len(self.names))]
        pairs.sort(key=lambda pair: (pair[0].rank, -pair[0].balance))
        labelled: list[Column] = []
        for label, place in pairs:
            sides_of_number = self.sides[place]
            both = int(np.count_nonzero(label.sides * sides_of_number))
            strength = abs(int(np.vdot(label.sides.astype(np.int64), sides_of_number.astype(np.int64))))
            name = self.names[place]
            if both < LEAST_ROWS or strength > MOST * both:
                continue
            if len(name) + len(label.column) + len(label.label) <= LONGEST_NAME and label.column != name:
                labelled.append(_with_label(name, self.medians[place], label))
            if len(labelled) == MOST_LABELLED:
                break
        return labelled

    def _of_numbers(self) -> list[Column]:
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
        names = [name.removeprefix("features.") for name in (first, second)]
        return Column(
            f"{RELATION}{names[0]} and {names[1]}",
            ColumnKind.BOOLEAN,
            bounds=plain(np.array([self.medians[one], self.medians[other]])),
            labels=(SAME, OPPOSITE),
            cells=label_cells(2),
            source=first,
            other=second,
        )


def _with_label(number: str, median: float, label: _Label) -> Column:
    shown = label.column.removeprefix("features.").removeprefix("segments.")
    return Column(
        f"{RELATION}{number.removeprefix('features.')} and {shown}={label.label}",
        ColumnKind.BOOLEAN,
        bounds=plain(np.array([median])),
        labels=(SAME, OPPOSITE),
        cells=label_cells(2),
        source=number,
        other=label.column,
        part=label.label,
    )


def _some_rows(column: pa.Array) -> pa.Array:
    """At most 5,000 rows, the same ones of all columns."""
    if len(column) <= MOST_ROWS:
        return column
    return column.take(pa.array(np.linspace(0, len(column) - 1, MOST_ROWS).astype(np.int64)))


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
