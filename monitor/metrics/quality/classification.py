"""Quality of a classifier: accuracy, precision, recall and F1, for all rows and per class."""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.confusion import TOO_MANY, Confusion, confusion_of, notation_of
from monitor.metrics.quality.task import OF_NUMBERS, answers_otherwise, task_of
from monitor.records import Better, Labels, Measurement, labels
from monitor.visible import counted
from monitor.windows.layout.expected_answers import ExpectedAnswers, expected_of
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "outcomes with `truth`; labels"
ACCURACY = MetricInfo(
    "accuracy", "share", Better.HIGHER, "Share of the predictions that were correct.", _WHERE,
    "right / answers with a known truth, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
BALANCED_ACCURACY = MetricInfo(
    "balanced_accuracy", "share", Better.HIGHER, "Mean recall over the classes.", _WHERE,
    "mean recall of the classes that occur", _NEEDS, "Brodersen et al. 2010",
)  # fmt: skip
PRECISION = MetricInfo(
    "precision", "share", Better.HIGHER, "Share of the predictions of a class that were correct.",
    ("class", *_WHERE), "true positives / predicted; without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
RECALL = MetricInfo(
    "recall", "share", Better.HIGHER, "Share of the rows of a class that were predicted as it.",
    ("class", *_WHERE), "true positives / actual; without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
F1 = MetricInfo(
    "f1", "share", Better.HIGHER, "Harmonic mean of precision and recall; without `class`, the mean.",
    ("class", *_WHERE), "2 true positives / (predicted + actual); without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
INFO = (ACCURACY, BALANCED_ACCURACY, PRECISION, RECALL, F1)
MOST_CLASSES = 20
_STRAY = 0.05
"""Up to this share of rows, numbers among classes are stray values."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """Quality for all rows, by class, and by version and segment, with enough outcomes."""
    needed, task = subject.settings.min_outcomes, task_of(subject)
    if task in OF_NUMBERS or (task is None and answers_otherwise(subject)):
        return
    notation = notation_of(subject)
    for where, part, base in subject.scopes():
        table = confusion_of(part, notation)
        n = part.flag("classed") if table is None else table.n
        lost = _lost(subject, part)
        if n < needed or lost > _STRAY * (n + lost):
            reason = _why(part, n, lost, needed)
            if not where:
                yield from (subject.not_measured(info, reason, n) for info in INFO)
            elif n:
                yield subject.not_measured(ACCURACY, reason, n, where=where)
            continue
        usual = confusion_of(base, notation) if base is not None else None
        before = accuracy_of(base, usual) if base is not None else (0.0, 0.0)
        known = before[1] >= needed
        yield _accuracy(subject, where, accuracy_of(part, table), before if known else (0.0, 0.0))
        yield from _by_class(subject, where, table, usual if known else None, n)


def _lost(subject: Subject, part: Slice) -> float:
    """Rows that were not counted as classes, because numbers with fractions were not known to be classes."""
    if expected_of(subject.profile.layout) is ExpectedAnswers.CLASSES:
        return 0.0
    return part.flag("residuals") + part.flag("infinite") - part.flag("whole")


def _why(part: Slice, n: float, lost: float, needed: int) -> str:
    if n >= needed:
        return f"not counted as classes, because of fractions: {counted(lost, 'row')}"
    if part.flag("residuals") >= needed:
        return "answers and truths are counted as numbers: see `task` in docs/configuration.md"
    return too_few(n, needed, "outcomes")


def accuracy_of(part: Slice, table: Confusion | None) -> tuple[float, float]:
    """The number of correct answers, and the number of answers."""
    if table is None:
        return part.flag("right"), part.flag("classed")
    return float(table.right.sum()), table.n


def _accuracy(
    subject: Subject, where: Labels, now: tuple[float, float], before: tuple[float, float]
) -> Measurement:
    (right, n), (usual, m) = now, before
    return subject.ok(
        ACCURACY,
        right / n,
        n,
        where=where,
        interval=intervals.wilson(right, n),
        p_value=intervals.two_shares(right, n, usual, m) if m else None,
        baseline=usual / m if m else None,
    )


def _by_class(
    subject: Subject, where: Labels, table: Confusion | None, usual: Confusion | None, n: float
) -> Iterator[Measurement]:
    if table is None:
        others = (BALANCED_ACCURACY, PRECISION, RECALL, F1)
        yield from (subject.not_measured(info, TOO_MANY, n, where=where) for info in others)
        return
    figures, before = _figures(table), _figures(usual) if usual is not None else {}
    recall, interval = _mean_recall(table)
    usual_recall = _mean_recall(usual)[0] if usual is not None else None
    yield subject.ok(BALANCED_ACCURACY, recall, n, where=where, interval=interval, baseline=usual_recall)
    for info in (PRECISION, RECALL, F1):
        yield from _per_class(subject, info, where, table, figures[info.name], before.get(info.name, {}), n)


def _per_class(
    subject: Subject,
    info: MetricInfo,
    where: Labels,
    table: Confusion,
    figures: dict[str, tuple[float, float]],
    before: dict[str, tuple[float, float]],
    n: float,
) -> Iterator[Measurement]:
    shares = [share for share, _ in figures.values()]
    usual = [share for share, _ in before.values()]
    if info is F1:
        spread = _squared_error_of_f1(table)
    else:
        spread = math.fsum(_squared_error(share, of) for share, of in figures.values())
    mean = math.fsum(shares) / len(shares)
    half = intervals.Z * math.sqrt(spread) / len(shares)
    yield subject.ok(
        info,
        mean,
        n,
        where=where,
        interval=(max(0.0, mean - half), min(1.0, mean + half)),
        baseline=math.fsum(usual) / len(usual) if usual else None,
    )
    if where:
        return
    frequent = np.argsort(-table.actual, kind="stable")[:MOST_CLASSES]
    for name in (table.classes[index] for index in frequent.tolist()):
        share, of = figures[name]
        at = labels(**{"class": name})
        if of < subject.settings.min_rates:
            yield subject.not_measured(info, "the class did not occur", of, where=at)
            continue
        interval = _interval_of_f1(share, of) if info is F1 else intervals.wilson(share * of, of)
        base = before.get(name)
        yield subject.ok(info, share, of, where=at, interval=interval, baseline=base[0] if base else None)


def _figures(table: Confusion) -> dict[str, dict[str, tuple[float, float]]]:
    """Precision, recall and F1 per class, each with its number of rows (0 if undefined)."""
    right, actual, predicted = table.right, table.actual, table.predicted
    pairs = {
        "precision": (right, predicted),
        "recall": (right, actual),
        "f1": (2 * right, predicted + actual),
    }
    return {
        metric: {
            name: (float(part / of) if of else 0.0, float(of))
            for name, part, of in zip(table.classes, top, bottom, strict=True)
        }
        for metric, (top, bottom) in pairs.items()
    }


def _mean_recall(table: Confusion) -> tuple[float, Interval]:
    occurs = table.actual > 0
    shares = table.right[occurs] / table.actual[occurs]
    errors = [_squared_error(float(s), float(n)) for s, n in zip(shares, table.actual[occurs], strict=True)]
    mean = float(shares.mean())
    half = intervals.Z * math.sqrt(math.fsum(errors)) / len(errors)
    return mean, (max(0.0, mean - half), min(1.0, mean + half))


def _interval_of_f1(f1: float, of: float) -> Interval:
    """F1 = 2 J / (1 + J), where J is the share of true positives among the rows whose truth or answer is the class."""
    right = f1 * of / 2
    low, high = intervals.wilson(right, of - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def _squared_error_of_f1(table: Confusion) -> float:
    """The squared error of the sum of all classes' F1, by the delta method: a wrong row counts in two classes.

    Without the pairs of truth and answer, it is the largest possible.
    """
    sums = np.maximum(table.actual + table.predicted, 1.0)
    each = 2 * table.right / sums / sums
    right_part = float((table.right * (2 / sums - 2 * each) ** 2).sum())
    if table.pairs is None:
        wrong = table.actual + table.predicted - 2 * table.right
        return right_part + 2 * float((wrong * each**2).sum())
    truths, answers, counts = table.pairs
    wrong = counts * (truths != answers)
    return right_part + float((wrong * (each[truths] + each[answers]) ** 2).sum())


def _squared_error(share: float, n: float) -> float:
    return share * (1 - share) / n if n > 0 else 0.0
