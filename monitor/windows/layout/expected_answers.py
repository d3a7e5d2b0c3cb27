"""The answers that a layout expects: classes, numbers, or either; and which notations mean the same class."""

from enum import StrEnum
from weakref import WeakKeyDictionary

from monitor.windows.layout.layout import ColumnKind, Layout
from monitor.windows.layout.notation import Joins, decide

_FEW = 100
"""Maximum number of distinct integers in a baseline that may be classes."""


class ExpectedAnswers(StrEnum):
    """The type of a model's answers."""

    CLASSES = "classes"
    NUMBERS = "numbers"
    EITHER = "either"
    """Not known yet, or integers: rows are counted as both, and metrics decide from all counts."""


_JOINS: WeakKeyDictionary[Layout, Joins] = WeakKeyDictionary()


def expected_of(layout: Layout) -> ExpectedAnswers:
    """The type of the answers in the baseline."""
    column = layout.by_name.get("prediction")
    if column is None:
        return ExpectedAnswers.EITHER
    if column.labelled:
        return ExpectedAnswers.CLASSES
    if column.kind is ColumnKind.NUMBER or (column.kind is ColumnKind.INTEGER and column.buckets > _FEW):
        return ExpectedAnswers.NUMBERS
    return ExpectedAnswers.EITHER


def joins_of(layout: Layout) -> Joins:
    """Which notations of true and false are equal among the baseline's answers and the classes of its probabilities."""
    joins = _JOINS.get(layout)
    if joins is None:
        column = layout.by_name.get("prediction")
        joins = _JOINS[layout] = decide(column.labels if column is not None else (), layout.classes)
    return joins
