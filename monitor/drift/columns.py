"""What the decision sees of a window: counts of every column, one flat array.

A number column with k buckets takes k + 3 places: missing, below the lowest edge, the buckets in rising order, above
the highest edge. A label column with k labels takes k + 3 places: missing, never seen before, the labels by falling
frequency, rare ones together. A presence column takes two: missing, there. Everything is a count, so windows add.
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
    """Whose column it is: the model's inputs, or its answers."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Column:
    """One watched column. `buckets` are its regular places; `labels` name them for a label column, `edges` bound
    them for a number column (empty where they do not matter: they serve the words only).
    """

    name: str
    kind: ColumnType
    buckets: int
    role: Role = Role.INPUT
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Places in the flat array."""
        return 2 if self.kind is ColumnType.PRESENCE else self.buckets + 3


@dataclass(frozen=True, slots=True, eq=False)
class WindowCounts:
    """The counts of one window: `kept` has one place for each place of each column, in their order, as float64 or,
    where there are many windows, in the fewest bytes that hold them.
    """

    window: Window
    kept: np.ndarray

    @property
    def counts(self) -> Floats:
        """As float64; a copy where they are kept as something else."""
        return np.asarray(self.kept, np.float64)


def starts(columns: Sequence[Column]) -> Integers:
    """Where each column begins in the flat array, and its end: shape (columns + 1,)."""
    return np.concatenate([[0], np.cumsum([column.size for column in columns])]).astype(np.int64)


def total(parts: Iterable[WindowCounts]) -> Floats:
    """The sum of several windows' counts, one after another: a month of them side by side would be a gigabyte."""
    first, *others = parts
    counts = first.counts.copy()
    for part in others:
        counts += part.kept
    return counts


def packed(counts: Floats) -> np.ndarray:
    """The same counts in as few bytes as hold them, where they are whole."""
    whole = counts.astype(np.min_scalar_type(int(counts.max(initial=0.0))))
    return whole if np.array_equal(whole, counts) else counts
