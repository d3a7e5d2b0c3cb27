"""The confusion matrix in one notation, and the counts that precision, recall and F1 need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.metrics.metric import Subject
from monitor.windows.kernel.confusion_counts import (
    ANSWERS,
    PAIR,
    PAIRS,
    RIGHT,
    TRUTHS,
    has_all_classes,
    is_whole_table,
)
from monitor.windows.kernel.tally import Tally
from monitor.windows.layout.layout import Layout
from monitor.windows.layout.notation import Joins, decide, is_truth, is_whole, says_nothing
from monitor.windows.profile import Slice

TOO_MANY = "there are more than 1,000 classes"
AMBIGUOUS = "labels are written in several ways, which the baseline does not tell apart: set it again"


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """The counts of each class as truth (`actual`), as answer (`predicted`), and as both (`right`), shape (classes,).

    `pairs` are the rows, columns and counts of all cells of the matrix; None if there are more than are stored.
    """

    classes: tuple[str, ...]
    right: np.ndarray
    actual: np.ndarray
    predicted: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray] | None

    @property
    def n(self) -> float:
        """All rows."""
        return float(self.actual.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Notation:
    """How labels are read: which are joined, the name of each class, and whether missing values may be written as
    texts.
    """

    joins: Joins
    names: Mapping[str, str]
    has_missing: bool

    def name(self, label: str) -> str:
        """The name of the class that a label means."""
        key = self.joins.key(label)
        return self.names.get(key, key)

    def drops(self, label: str) -> bool:
        """Whether a label is a missing value rather than a class."""
        return self.has_missing and says_nothing(label)


def notation_of(subject: Subject) -> Notation:
    """The notation from all known labels of a stream: answers and truths of window and baseline, and probabilities."""
    layout = subject.profile.layout
    window = subject.profile.overall
    base = subject.baseline.profile.overall if subject.baseline is not None else None
    sides: list[Collection[str]] = [
        part.tally(name) for part in (base, window) if part for name in (ANSWERS, TRUTHS)
    ]
    joins = decide(_of_baseline(layout), layout.classes, *sides)
    names: dict[str, str] = {}
    for side in (_of_baseline(layout), layout.classes, *map(_by_count, sides)):
        for label in side:
            names.setdefault(joins.key(label), label)
    meaningful = [label for side in sides for label in side if not says_nothing(label)]
    has_missing = all(is_whole(label) or is_truth(label) for label in meaningful)
    return Notation(joins, names, has_missing)


def confusion_of(part: Slice, notation: Notation) -> Confusion | None:
    """The matrix of a slice; None if it has more classes than are counted."""
    tallies, rows = part.tallies, part.flag("classed")
    if not has_all_classes(tallies, rows):
        return None
    labels = {*part.tally(TRUTHS), *part.tally(ANSWERS)}
    names = {label: notation.name(label) for label in labels if not notation.drops(label)}
    classes = tuple(sorted(set(names.values())))
    at = {name: index for index, name in enumerate(classes)}
    place = {label: at[name] for label, name in names.items()}
    pairs = _pairs(part.tally(PAIRS), place) if is_whole_table(tallies, rows) else None
    if len(classes) == len(labels):  # no label has two notations, none is missing
        right, actual, predicted = (_margin(part.tally(name), place) for name in (RIGHT, TRUTHS, ANSWERS))
        return Confusion(classes, right, actual, predicted, pairs)
    if pairs is None:
        return None
    truths, answers, counts = pairs
    right, actual, predicted = (
        np.bincount(codes, weights, len(classes))
        for codes, weights in (
            (truths, counts * (truths == answers)), (truths, counts), (answers, counts),
        )
    )  # fmt: skip
    return Confusion(classes, right, actual, predicted, pairs)


def is_certain(part: Slice, table: Confusion | None) -> bool:
    """Whether answers were counted as correct, row by row, as the matrix says. Later labels may have revealed the
    meaning of earlier ones.
    """
    return table is None or part.flag("right") == float(table.right.sum())


def _of_baseline(layout: Layout) -> tuple[str, ...]:
    column = layout.by_name.get("prediction")
    return column.labels if column is not None else ()


def _by_count(side: Collection[str]) -> list[str]:
    tally: Mapping[str, float] = side if isinstance(side, Mapping) else dict.fromkeys(side, 0.0)
    return sorted(tally, key=lambda label: (-tally[label], label))


def _pairs(tally: Tally, place: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cells = []
    for pair, n in tally.items():
        truth, _, answer = pair.partition(PAIR)
        if truth in place and answer in place:
            cells.append((place[truth], place[answer], n))
    table = np.array(cells, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _margin(tally: Tally, place: Mapping[str, int]) -> np.ndarray:
    counts = np.zeros(len(set(place.values())))
    for label, n in tally.items():
        counts[place[label]] += n
    return counts
