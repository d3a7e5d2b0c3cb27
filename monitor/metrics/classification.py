"""Quality of a classifier against outcomes: accuracy, precision, recall, F1, in all and per class."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.outcomes import PAIR
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "outcomes with `truth`; labels"
ACCURACY = MetricInfo(
    "accuracy", "share", Better.HIGHER, "Share of the answers that were right.", _WHERE,
    "right / answers with a known truth, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
BALANCED_ACCURACY = MetricInfo(
    "balanced_accuracy", "share", Better.HIGHER, "Mean over the classes of the share that was found.", _WHERE,
    "mean recall of the classes that occur", _NEEDS, "Brodersen et al. 2010",
)  # fmt: skip
PRECISION = MetricInfo(
    "precision", "share", Better.HIGHER, "Of what was called a class, the share that was it.",
    ("class", *_WHERE), "true positives / predicted; without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
RECALL = MetricInfo(
    "recall", "share", Better.HIGHER, "Of what was a class, the share that was called it.",
    ("class", *_WHERE), "true positives / actual; without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
F1 = MetricInfo(
    "f1", "share", Better.HIGHER, "Harmonic mean of precision and recall; without `class`, the mean.",
    ("class", *_WHERE), "2 true positives / (predicted + actual); without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
INFO = (ACCURACY, BALANCED_ACCURACY, PRECISION, RECALL, F1)
MOST_CLASSES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often each truth (row) met each answer (column)."""

    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """True positives of each class."""
        return np.diagonal(self.counts)

    @property
    def actual(self) -> np.ndarray:
        """How often each class was the truth."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> np.ndarray:
        """How often each class was the answer."""
        return np.asarray(self.counts.sum(axis=0))


def confusion_of(part: Slice) -> Confusion:
    """The table of truth and answer of a slice."""
    tally = part.tally("confusion")
    pairs = [(*label.partition(PAIR)[::2], count) for label, count in tally.items()]
    classes = tuple(sorted({label for truth, answer, _ in pairs for label in (truth, answer)}))
    place = {label: index for index, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for truth, answer, count in pairs:
        counts[place[truth], place[answer]] += count
    return Confusion(classes, counts)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Quality in all, by class, and by version and segment, where enough outcomes are known."""
    needed = subject.settings.min_outcomes
    for where, part, base in subject.scopes():
        n = part.flag("judged") if part.tally("confusion") else 0.0
        if n < needed:
            if not where and not part.flag("residuals"):
                for info in INFO:
                    yield subject.not_measured(info, too_few(n, needed, "outcomes"), n)
            elif part.tally("confusion"):
                yield subject.not_measured(ACCURACY, too_few(n, needed, "outcomes"), n, where=where)
            continue
        known = base is not None and base.flag("judged") >= needed and bool(base.tally("confusion"))
        yield from _measure(subject, where, part, base if known else None)


def _measure(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n, right = part.flag("judged"), part.flag("right")
    m, usual_right = (base.flag("judged"), base.flag("right")) if base is not None else (0.0, 0.0)
    yield subject.ok(
        ACCURACY,
        right / n,
        n,
        where=where,
        interval=intervals.wilson(right, n),
        p_value=intervals.two_shares(right, n, usual_right, m) if m else None,
        baseline=usual_right / m if m else None,
    )
    table = confusion_of(part)
    usual = confusion_of(base) if base is not None else None
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
    known = [share for share, _ in figures.values()]
    usual = [share for share, _ in before.values()]
    if info is F1:
        spread = _squared_error_of_f1(table)
    else:
        spread = math.fsum(_squared_error(share, of) for share, of in figures.values())
    mean = math.fsum(known) / len(known)
    half = intervals.Z * math.sqrt(spread) / len(known)
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
    frequent = sorted(figures, key=lambda name: -float(table.actual[table.classes.index(name)]))[
        :MOST_CLASSES
    ]
    for name in frequent:
        share, of = figures[name]
        at = labels(**{"class": name})
        if of < subject.settings.min_rates:
            yield subject.not_measured(info, "the class did not occur", of, where=at)
            continue
        interval = _interval_of_f1(share, of) if info is F1 else intervals.wilson(share * of, of)
        base = before.get(name)
        yield subject.ok(info, share, of, where=at, interval=interval, baseline=base[0] if base else None)


def _figures(table: Confusion) -> dict[str, dict[str, tuple[float, float]]]:
    """Of each class: precision, recall and F1, each with the number of rows behind it (0 where undefined)."""
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
    """F1 = 2 J / (1 + J), where J is the share of true positives among the rows that are or were called the class."""
    right = f1 * of / 2
    low, high = intervals.wilson(right, of - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def _squared_error_of_f1(table: Confusion) -> float:
    """The squared error of the sum of all classes' F1, by the delta method: a wrong row counts in two classes."""
    sums = np.maximum(table.actual + table.predicted, 1.0)
    each = 2 * table.right / sums / sums
    effects = np.diag(2 / sums) - each[:, None] - each[None, :]
    return float((table.counts * effects**2).sum())


def _squared_error(share: float, n: float) -> float:
    return share * (1 - share) / n if n > 0 else 0.0
