"""The layout: which buckets each column has, and where its counts stand in one flat array.

A layout is made once, from a baseline (`monitor.windows.assembly`), and is named by its content. A profile of a window
is one float64 array of `layout.size` counts, so profiles merge by one addition. Columns stand in the array one after
another:

- a number column with k buckets takes k + 7 places: missing, unreadable, NaN, minus infinity, below, the k buckets
  `[edges[i], edges[i + 1])`, above, plus infinity;
- a label column with m labels takes m + 3 places: missing, new (never seen in the baseline), the labels by falling
  frequency, rare (seen in the baseline, but not among the most frequent).

The first `core` places belong to the outputs, latency and outcomes, which are also counted by segment. `cells` are
the starts, inside a column, of the coarse cells that binned distances compare: missing, deciles of the baseline, or
the most frequent labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from monitor.errors import WatchkeeperError

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# Places inside a number column, and inside a label column.
MISSING, UNREADABLE, NAN, MINUS_INFINITY, BELOW, FIRST = range(6)
ABOVE, PLUS_INFINITY = -2, -1
NEW, FIRST_LABEL, RARE = 1, 2, -1

LARGEST = np.finfo(np.float64).max


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    SCORE = "score"
    DURATION = "duration"
    TEXT = "text"
    TIME = "time"
    EMBEDDING = "embedding"
    IDENTIFIER = "identifier"
    EMPTY = "empty"


LABELLED = frozenset({Kind.CATEGORY, Kind.BOOLEAN, Kind.IDENTIFIER})


class LayoutMismatchError(WatchkeeperError):
    """Profiles of different layouts do not add."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Column:
    """One column's buckets. `source` is the Arrow column it is read from, `part` what is taken of it (texts,
    times and embeddings become several columns of numbers).

    `unit` is the power of two that moments are counted in, and `origin` the multiple of it that they are counted
    from. `within` says where in each bucket the baseline's values lie on average: 0 at its lower edge, 255 at its upper
    one (empty: in the middle). `known` are the sorted
    64-bit hashes of rare labels. `parameters` belong to the part (an embedding's centre, a projection).
    """

    name: str
    kind: Kind
    edges: Floats = field(default_factory=lambda: np.empty(0))
    labels: tuple[str, ...] = ()
    known: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    cells: tuple[int, ...] = (0,)
    unit: float = 1.0
    origin: float = 0.0
    within: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
    open_ended: bool = False
    source: str = ""
    part: str = ""
    parameters: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    start: int = 0
    moment: int = -1
    places: Mapping[str, int] = field(init=False, repr=False)
    """The place of each label."""
    cuts: Floats = field(init=False, repr=False)
    """What sorted values are looked up at: counting values below each gives every place from minus infinity on."""

    def __post_init__(self) -> None:
        places = {label: place for place, label in enumerate(self.labels, FIRST_LABEL)}
        object.__setattr__(self, "places", places)
        cuts = np.concatenate([[-LARGEST], self.edges, [np.inf, np.nan]])
        object.__setattr__(self, "cuts", cuts)
        object.__setattr__(self, "edges", cuts[1:-2])  # the same numbers, once

    @property
    def labelled(self) -> bool:
        """Counted by label rather than by bucket."""
        return self.kind in LABELLED

    @property
    def atoms(self) -> bool:
        """Are the buckets single values of the baseline, at their lower edges?"""
        return bool(self.within.size) and not self.within[:-1].any()

    @property
    def buckets(self) -> int:
        """How many regular buckets or labels there are."""
        return len(self.labels) if self.labelled else len(self.edges) - 1

    @property
    def size(self) -> int:
        """Places in the flat array."""
        return self.buckets + (3 if self.labelled else 7)

    @property
    def span(self) -> slice:
        """Where the counts stand."""
        return slice(self.start, self.start + self.size)

    @property
    def feature(self) -> str:
        """The feature's name as people know it, or the empty string for an output."""
        return self.name.removeprefix("features.") if self.name.startswith("features.") else ""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layout:
    """Every column's buckets; immutable. `id` is the hash of its content."""

    columns: tuple[Column, ...]
    core: int
    size: int
    moments: int
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    id: str
    by_name: Mapping[str, Column] = field(repr=False)

    def column(self, name: str) -> Column:
        """A column by its name, such as `features.amount` or `prediction`.

        Raises:
            KeyError: the layout has no such column.
        """
        return self.by_name[name]

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns of the inputs."""
        return tuple(column for column in self.columns if column.name.startswith("features."))

    @property
    def watched(self) -> tuple[Column, ...]:
        """The columns whose drift is measured: features with values, and the model's answers."""
        return tuple(
            column
            for column in self.columns
            if (column.feature or column.name in ("prediction", "confidence"))
            and column.kind not in (Kind.IDENTIFIER, Kind.EMPTY)
        )

    @property
    def core_columns(self) -> tuple[Column, ...]:
        """The columns that are counted by segment too."""
        return tuple(column for column in self.columns if column.start < self.core)

    @property
    def core_moments(self) -> int:
        """How many of the moments belong to core columns."""
        return sum(not column.labelled for column in self.core_columns)

    @property
    def sources(self) -> frozenset[str]:
        """The Arrow columns that the layout reads."""
        return frozenset(column.source or column.name for column in self.columns)
