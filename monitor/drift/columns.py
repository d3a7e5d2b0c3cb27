"""What the decision sees of a window: counts of every column, one flat array.

A number column with k buckets takes k + 3 places: missing, below the lowest edge, the buckets in rising order, above
the highest edge. A label column with k labels takes k + 3 places: missing, never seen before, the labels by falling
frequency, rare ones together. A presence column takes two: missing, there. Everything is a count, so windows add.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.records import Window

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MISSING, OUTSIDE, FIRST = 0, 1, 2


class Kind(StrEnum):
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
    kind: Kind
    buckets: int
    role: Role = Role.INPUT
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Places in the flat array."""
        return 2 if self.kind is Kind.PRESENCE else self.buckets + 3


@dataclass(frozen=True, slots=True, eq=False)
class WindowCounts:
    """The counts of one window: `counts` has one float64 place for each place of each column, in their order."""

    window: Window
    counts: Floats


def starts(columns: Sequence[Column]) -> Integers:
    """Where each column begins in the flat array, and its end: shape (columns + 1,)."""
    return np.concatenate([[0], np.cumsum([column.size for column in columns])]).astype(np.int64)


def merged(parts: Sequence[WindowCounts]) -> WindowCounts:
    """Several windows as one, from the first start to the last end."""
    window = Window(min(part.window.start for part in parts), max(part.window.end for part in parts))
    return WindowCounts(window, np.sum([part.counts for part in parts], axis=0))
