"""The table of truth and answer, in one notation, and what precision, recall and F1 need of it."""

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
    """How often each class was the truth (`actual`), the answer (`predicted`), and both (`right`), shape (classes,).

    `pairs` are the rows, columns and counts of all cells of the table; None where there are more than are kept.
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
    """How labels are read: what joins them, how each is called, and whether missing values are written as texts."""

    joins: Joins
    names: Mapping[str, str]
    has_missing: bool

    def name(self, label: str) -> str:
        """What a class is called, however it is written."""
        key = self.joins.key(label)
        return self.names.get(key, key)

    def drops(self, label: str) -> bool:
        """Is it a missing value rather than a class?"""
        return self.has_missing and says_nothing(label)


def notation_of(subject: Subject) -> Notation:
    """From all labels that are known of a stream: answers and truths of window and baseline, and probabilities."""
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
    said = [label for side in sides for label in side if not says_nothing(label)]
    has_missing = all(is_whole(label) or is_truth(label) for label in said)
    return Notation(joins, names, has_missing)


def confusion_of(part: Slice, notation: Notation) -> Confusion | None:
    """The table of a slice; None where it has more classes than are counted."""
    tallies, rows = part.tallies, part.flag("classed")
    if not has_all_classes(tallies, rows):
        return None
    labels = {*part.tally(TRUTHS), *part.tally(ANSWERS)}
    names = {label: notation.name(label) for label in labels if not notation.drops(label)}
    classes = tuple(sorted(set(names.values())))
    at = {name: index for index, name in enumerate(classes)}
    place = {label: at[name] for label, name in names.items()}
    pairs = _pairs(part.tally(PAIRS), place) if is_whole_table(tallies, rows) else None
    if len(classes) == len(labels):  # none is written in two ways, none is missing
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
    """Were answers called right, row by row, as the table says? Later labels may have shown what earlier ones mean."""
    return table is None or part.flag("right") == float(table.right.sum())


def _of_baseline(layout: Layout) -> tuple[str, ...]:
    column = layout.by_name.get("prediction")
    return column.labels if column is not None else ()


def _by_count(side: Collection[str]) -> list[str]:
    tally: Mapping[str, float] = side if isinstance(side, Mapping) else dict.fromkeys(side, 0.0)
    return sorted(tally, key=lambda label: (-tally[label], label))


def _pairs(tally: Tally, place: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = []
    for pair, n in tally.items():
        truth, _, answer = pair.partition(PAIR)
        if truth in place and answer in place:
            found.append((place[truth], place[answer], n))
    table = np.array(found, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _margin(tally: Tally, place: Mapping[str, int]) -> np.ndarray:
    counts = np.zeros(len(set(place.values())))
    for label, n in tally.items():
        counts[place[label]] += n
    return counts
