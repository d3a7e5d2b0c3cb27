"""The layout of a profile: the buckets of each column, and where its counts are in one flat array.

A layout is created once, from a baseline (`monitor.windows.layout.build`), and identified by the hash of its content.
The profile of a window is one float64 array of `layout.size` counts, so profiles merge by one addition. The columns
follow each other in the array:

- a column of numbers with k buckets takes k + 7 places: missing, unreadable, NaN, minus infinity, below, the k buckets
  `[edges[i], edges[i + 1])`, above, plus infinity;
- a column with m labels takes m + 3 places: missing, new (not in the baseline), the labels by descending frequency,
  rare (in the baseline, but not among the most frequent).

The first `core` places hold the outputs, latency and outcomes, which are also counted per segment. `cells` are the
starts, within a column, of the coarse cells that binned distances compare: missing, deciles of the baseline, or the
most frequent labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np

from monitor.errors import WatchkeeperError
from monitor.windows.error_trees.trees import ErrorTrees
from monitor.windows.layout import compact_edges
from monitor.windows.layout.compact_edges import NO_EDGES, Edges

Floats = compact_edges.Floats
LARGEST = compact_edges.LARGEST

# Places inside a number column, and inside a label column.
MISSING, UNREADABLE, NAN, MINUS_INFINITY, BELOW, FIRST = range(6)
ABOVE, PLUS_INFINITY = -2, -1
NEW, FIRST_LABEL, RARE = 1, 2, -1

SIGNALS = "signals."
"""Prefix of the columns of signals, which are measured from the texts of calls."""


LABEL_SETS = "predicted_labels"
OF_LABEL = f"{LABEL_SETS}#"
"""Prefix of the columns that count whether one label is in a predicted set."""
RELATION = "relation of "
"""Prefix of the columns that count the relation of two others."""


def is_signal(name: str) -> bool:
    """Whether a column is a signal."""
    return name.startswith(SIGNALS)


def is_answer(name: str) -> bool:
    """Whether a column is an answer whose drift is watched, or tells of one."""
    return name in ("prediction", "confidence") or is_of_label_sets(name)


def is_of_label_sets(name: str) -> bool:
    """Whether a column tells of predicted sets of labels."""
    return name.startswith(LABEL_SETS)


def is_relation(name: str) -> bool:
    """Whether a column is the relation of two others."""
    return name.startswith(RELATION)


class ColumnKind(StrEnum):
    """The type of a column's values."""

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


LABELLED = frozenset({ColumnKind.CATEGORY, ColumnKind.BOOLEAN, ColumnKind.IDENTIFIER})


class LayoutMismatchError(WatchkeeperError):
    """Profiles of different layouts cannot be added."""


@lru_cache(maxsize=1024)
def _places_of(labels: tuple[str, ...]) -> Mapping[str, int]:
    """The place of each label; the same object for the columns of models that have the same labels."""
    return {label: place for place, label in enumerate(labels, FIRST_LABEL)}


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Column:
    """The buckets of one column, with the edges `bounds`. `source` is the Arrow column that it is read from, `part` the
    derived quantity (texts, times and embeddings become several columns of numbers).

    `unit` is the power of two that moments are counted in, and `origin` the multiple of it that they are relative to.
    `within` is the mean position of the baseline's values in each bucket: 0 at the lower edge, 255 at the upper (empty:
    in the middle). `known` are the sorted 64-bit hashes of rare labels. `parameters` belong to the part (an embedding's
    centre, a projection). A relation of two columns reads `source` and `other`; its `edges` are their medians. If
    `other` has labels, `edges` is the median of `source`, and `part` the label.
    `novelty` and `turnover` are shares of rows with a new label (see `new_labels`).
    """

    name: str
    kind: ColumnKind
    bounds: Edges = NO_EDGES
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
    novelty: float = 0.0
    turnover: float = 0.0
    other: str = ""
    start: int = 0
    moment: int = -1
    places: Mapping[str, int] = field(init=False, repr=False)
    """The place of each label within the column."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", _places_of(self.labels))

    @property
    def edges(self) -> Floats:
        """The edges of the buckets, shape (buckets + 1,)."""
        return self.bounds.cuts[1:-2]

    @property
    def cuts(self) -> Floats:
        """Search keys for sorted values: the counts of values below each give every place from minus infinity on."""
        return self.bounds.cuts

    @property
    def labelled(self) -> bool:
        """Whether values are counted by label, not by bucket."""
        return self.kind in LABELLED

    @property
    def atoms(self) -> bool:
        """Whether each bucket holds a single value of the baseline, at its lower edge."""
        return bool(self.within.size) and not self.within[:-1].any()

    @property
    def buckets(self) -> int:
        """The number of regular buckets or labels."""
        return len(self.labels) if self.labelled else self.bounds.size - 1

    @property
    def size(self) -> int:
        """The number of places in the flat array."""
        return self.buckets + (3 if self.labelled else 7)

    @property
    def span(self) -> slice:
        """The column's range in the flat array."""
        return slice(self.start, self.start + self.size)

    @property
    def feature(self) -> str:
        """The name of the feature, or the empty string for an output."""
        return self.name.removeprefix("features.") if self.name.startswith("features.") else ""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layout:
    """The buckets of all columns; immutable. `id` is the hash of the content. `errors` are the trees that estimate the
    error of each answer, if there are any. `sought_relations` says whether the baseline was searched for relations:
    older ones were not. `segments` are the values of segments that are frequent in the baseline, by name
    (`segments.region`), the most frequent first.
    """

    columns: tuple[Column, ...]
    core: int
    size: int
    moments: int
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    id: str
    by_name: Mapping[str, Column] = field(repr=False)
    errors: ErrorTrees | None = None
    sought_relations: bool = False
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

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
        """The columns whose drift is measured: features with values, the model's answers, and their signals."""
        return tuple(
            column
            for column in self.columns
            if (column.feature or is_answer(column.name) or is_signal(column.name))
            and column.kind not in (ColumnKind.IDENTIFIER, ColumnKind.EMPTY)
        )

    @property
    def relations(self) -> tuple[Column, ...]:
        """The relations of two columns."""
        return tuple(column for column in self.columns if column.other)

    @property
    def core_columns(self) -> tuple[Column, ...]:
        """The columns that are also counted per segment."""
        return tuple(column for column in self.columns if column.start < self.core)

    @property
    def core_moments(self) -> int:
        """The number of moments that belong to core columns."""
        return sum(not column.labelled for column in self.core_columns)

    @property
    def sources(self) -> frozenset[str]:
        """The Arrow columns that the layout reads."""
        return frozenset(column.source or column.name for column in self.columns)
