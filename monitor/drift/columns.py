"""The input of the drift decision: the counts of all columns of a window in one flat array.

A number column with k buckets takes k + 3 places: missing, below the lowest edge, the buckets in ascending order, above
the highest edge. A label column with k labels takes k + 3 places: missing, new, the labels by descending frequency,
rare. A presence column takes two: missing, present. All are counts, so windows add.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.records import Window

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MISSING, OUTSIDE, FIRST = 0, 1, 2


class ColumnType(StrEnum):
    """How a column is counted."""

    NUMBER = "number"
    LABEL = "label"
    PRESENCE = "presence"


class Role(StrEnum):
    """Whether a column is an input or an output of the model."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class WatchedColumn:
    """One watched column. `buckets` is the number of regular places; `labels` name them in a label column, `edges`
    bound them in a number column (empty where no text needs them). `novelty` is the usual share of rows with a label
    that the baseline does not have. If values are `replaced` by others all the time, as identifiers are, only
    missing values are watched. A column that `relates` two others counts how often both are on the same side of their
    medians; of a column of labels, one label is one side: (number, labels, label).
    """

    name: str
    kind: ColumnType
    buckets: int
    role: Role = Role.INPUT
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    novelty: float = 0.0
    replaced: bool = False
    relates: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The number of places in the flat array."""
        return 2 if self.kind is ColumnType.PRESENCE else self.buckets + 3


@dataclass(frozen=True, slots=True, eq=False)
class WindowCounts:
    """The counts of one window. `kept` holds all places of all columns in order, as float64 or in a narrower type."""

    window: Window
    kept: np.ndarray

    @property
    def counts(self) -> Floats:
        """The counts as float64; a copy if they are stored in another type."""
        return np.asarray(self.kept, np.float64)


def starts(columns: Sequence[WatchedColumn]) -> Integers:
    """The first place of each column in the flat array, and the end of the last, shape (columns + 1,)."""
    return np.concatenate([[0], np.cumsum([column.size for column in columns])]).astype(np.int64)


def total(parts: Iterable[WindowCounts]) -> Floats:
    """The sum of the counts of several windows, added one by one: a month of them would take a gigabyte."""
    first, *others = parts
    counts = first.counts.copy()
    for part in others:
        counts += part.kept
    return counts


def packed(counts: Floats) -> np.ndarray:
    """Whole counts in the narrowest integer type that holds them."""
    integers = counts.astype(np.min_scalar_type(int(counts.max(initial=0.0))))
    return integers if np.array_equal(integers, counts) else counts
