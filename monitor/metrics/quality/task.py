"""Whether a model is a classifier or a regressor, or orders rows (anomaly scores, risks): from `task` in the
configuration, else from its answers and truths.
"""

from collections.abc import Iterable
from enum import StrEnum

from monitor.metrics.metric import Subject
from monitor.windows.kernel import label_set_counts, output_counts, ranking_counts
from monitor.windows.kernel.confusion_counts import ANSWERS, TRUTHS
from monitor.windows.layout.expected_answers import ExpectedAnswers, expected_of
from monitor.windows.layout.layout import ColumnKind, Layout
from monitor.windows.layout.notation import is_truth, is_whole, says_nothing
from monitor.windows.profile import Slice

_FEW = 100
"""Maximum number of distinct integers for answers with a confidence to be classes."""
_FEW_TEXTS = 32
"""The same for integers that one side writes as texts."""
_STRAY = 0.05
"""Up to this share of rows, texts among numbers are stray values."""


class Task(StrEnum):
    """The task of a model."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    SURVIVAL = "survival"
    """Answers are risks and truths are times, of which negative ones are censored: neither is right or wrong."""
    ANOMALY = "anomaly"
    """Answers are scores and truths say whether it was an anomaly: a score is not right or wrong."""


ORDERING = (Task.SURVIVAL, Task.ANOMALY)
"""Tasks whose answers order rows, and are not compared with truths one by one."""
OF_NUMBERS = (Task.REGRESSION, *ORDERING)
"""Tasks whose answers are no classes."""
_WORDS = {
    Task.CLASSIFICATION: ("classif", "binary", "multiclass", "multi-class", "multi_class"),
    Task.REGRESSION: ("regress", "forecast"),
    Task.SURVIVAL: ("surviv",),
    Task.ANOMALY: ("anomal",),
}


KINDS: dict[Task | None, ColumnKind] = {
    Task.CLASSIFICATION: ColumnKind.CATEGORY,
    Task.REGRESSION: ColumnKind.NUMBER,
    Task.SURVIVAL: ColumnKind.NUMBER,
    Task.ANOMALY: ColumnKind.NUMBER,
}
"""The type of a baseline's answers by the configured task."""


def named(text: str) -> Task | None:
    """The task that a configured text means, such as `binary` or `regression`; None if it means none."""
    small = text.strip().lower()
    return next((task for task, words in _WORDS.items() if small.startswith(words)), None)


def task_of(subject: Subject) -> Task | None:
    """The task of the model, from the configuration or from all counts; None if unknown."""
    configured = named(subject.task)
    if configured is not None:
        return configured
    layout = subject.profile.layout
    parts = [subject.profile.overall]
    if subject.baseline is not None:
        parts.append(subject.baseline.profile.overall)
    classed, numbers = _sum(parts, "classed"), _sum(parts, "residuals", "infinite")
    if not (classed and numbers):
        return Task.CLASSIFICATION if classed else Task.REGRESSION if numbers else _expected(layout)
    if expected_of(layout) is not ExpectedAnswers.EITHER:
        return _expected(layout)
    return _of_either(parts, layout, classed, numbers)


def with_other_truths(part: Slice) -> float:
    """The number of rows whose truth is a set of labels, several numbers, or items of a list."""
    outputs = (output_counts.name_of(output_counts.N, output) for output in output_counts.outputs_of(part))
    return max(map(part.total, (ranking_counts.JUDGED, label_set_counts.ROWS, *outputs)))


def answers_otherwise(subject: Subject) -> bool:
    """Whether the answers are sets of labels, several numbers or lists of items, as far as the window or the baseline
    tells: a window may have no rows.
    """
    parts = [subject.profile.overall]
    if subject.baseline is not None:
        parts.append(subject.baseline.profile.overall)
    names = subject.profile.layout.by_name
    columns = (label_set_counts.PREDICTED, output_counts.PREDICTED)
    return any(with_other_truths(part) or part.total(ranking_counts.LISTS) for part in parts) or any(
        name == column or name.startswith(f"{column}#") for name in names for column in columns
    )


def _expected(layout: Layout) -> Task | None:
    expected = expected_of(layout)
    if expected is ExpectedAnswers.CLASSES:
        return Task.CLASSIFICATION
    column = layout.by_name.get("prediction")
    is_number = column is not None and column.kind in (ColumnKind.NUMBER, ColumnKind.INTEGER)
    return Task.REGRESSION if is_number else None


def _of_either(parts: list[Slice], layout: Layout, classed: float, numbers: float) -> Task:
    """The task if rows were counted as both."""
    integers = _sum(parts, "whole")
    words, fractions = classed - integers, numbers - integers
    if fractions > 0:
        return Task.REGRESSION if fractions >= words else Task.CLASSIFICATION
    names = {text for text in _labels(parts) if not says_nothing(text)}
    digits = {text for text in names if is_whole(text)}
    if any(not is_truth(text) for text in names - digits) and not (
        words <= _STRAY * classed and len(digits) > _FEW
    ):
        return Task.CLASSIFICATION
    if digits <= {"0", "1"} and _was_binary(layout):
        return Task.CLASSIFICATION
    texts = _sum(parts, "whole_texts")
    scored = any(part.flag("scored") or _has_confidence(part) for part in parts)
    if (scored and len(digits) <= _FEW) or (texts and len(digits) <= _FEW_TEXTS):
        return Task.CLASSIFICATION
    return Task.CLASSIFICATION if texts > integers / 2 else Task.REGRESSION


def _was_binary(layout: Layout) -> bool:
    column = layout.by_name.get("prediction")
    return (
        column is None
        or column.kind is not ColumnKind.INTEGER
        or set(column.edges[:-1].tolist()) <= {0.0, 1.0}
    )


def _has_confidence(part: Slice) -> bool:
    return part.column("confidence.right").n + part.column("confidence.wrong").n > 0


def _labels(parts: Iterable[Slice]) -> set[str]:
    return {text for part in parts for name in (TRUTHS, ANSWERS) for text in part.tally(name)}


def _sum(parts: Iterable[Slice], *flags: str) -> float:
    return sum(part.flag(name) for part in parts for name in flags)
