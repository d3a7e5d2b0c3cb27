"""How well probabilities separate the classes: ROC AUC, PR AUC (average precision), log loss.

Probabilities are counted in 600 buckets of equal width in log-odds, separately for rows of a class and all others. Rows
of one bucket count as ties. The interval of each area contains every value that an order within the buckets would give.
"""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.confusion import AMBIGUOUS, confusion_of, is_certain, notation_of
from monitor.metrics.quality.task import OF_NUMBERS, task_of
from monitor.records import Better, Measurement, labels
from monitor.visible import counted
from monitor.windows.kernel.probabilities import known_classes
from monitor.windows.profile import ColumnCounts, Slice

_NEEDS = "`probabilities` of all classes, outcomes with `truth`, a baseline"
ROC_AUC = MetricInfo(
    "roc_auc", "", Better.HIGHER, "Probability that a row of the class gets a higher probability than another row.",
    ("class", "version"), "pairs in right order + ties / 2; without `class`: mean over the classes", _NEEDS,
    "Hanley and McNeil 1982",
)  # fmt: skip
PR_AUC = MetricInfo(
    "pr_auc", "", Better.HIGHER, "Average precision over all thresholds.", ("class", "version"),
    "sum of precision times growth of recall; without `class`: mean over the classes", _NEEDS,
)  # fmt: skip
LOG_LOSS = MetricInfo(
    "log_loss", "nats", Better.LOWER, "Mean negative logarithm of the probability of the truth.",
    ("version", "segment"),
    "mean -ln(probability of the truth), probabilities of at least 1e-15", "`probabilities`, outcomes with `truth`",
)  # fmt: skip
INFO = (ROC_AUC, PR_AUC, LOG_LOSS)
_STRAY = 0.01
"""Up to this share of rows, truths without a probability are stray values."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """Areas for all rows, by class and by version; log loss also by segment."""
    layout = subject.profile.layout
    classes, every = layout.classes, known_classes(layout)
    if len(classes) < 2 or task_of(subject) in OF_NUMBERS:
        return
    overall = subject.profile.overall
    certain = is_certain(overall, confusion_of(overall, notation_of(subject)))
    if not certain:
        yield from (subject.not_measured(info, AMBIGUOUS, overall.flag("scored")) for info in INFO)
        return
    for where, part, base in subject.scopes():
        yield from _log_loss(subject, part, base, where)
        if any(name == "segment" for name, _ in where):
            continue
        if len(every) > len(classes):
            reason = f"{len(every)} classes, and at most {len(classes)} of them are ranked"
            yield from (
                subject.not_measured(info, reason, part.flag("scored"), where=where)
                for info in (ROC_AUC, PR_AUC)
            )
            continue
        measured = [m for name in classes for m in _of_class(subject, name, part, base, dict(where))]
        yield from measured if len(classes) > 2 and not where else ()
        for info in (ROC_AUC, PR_AUC):
            yield _mean(subject, info, [m for m in measured if m.metric == info.name], dict(where))


def roc_auc(positive: ColumnCounts, negative: ColumnCounts) -> float:
    """Area under the ROC curve of counts in equal buckets; ties count half."""
    p, q = _all_buckets(positive), _all_buckets(negative)
    lower = np.cumsum(q) - q
    return float((p * (lower + q / 2)).sum() / (p.sum() * q.sum()))


def roc_auc_bounds(positive: ColumnCounts, negative: ColumnCounts) -> tuple[float, float]:
    """The smallest and the largest area that any order of the rows within the buckets gives."""
    p, q = _all_buckets(positive), _all_buckets(negative)
    area, ties = roc_auc(positive, negative), float((p * q).sum() / (p.sum() * q.sum()))
    return area - ties / 2, area + ties / 2


def average_precision_bounds(positive: ColumnCounts, negative: ColumnCounts) -> tuple[float, float]:
    """Limits for the average precision of any order of the rows within the buckets, ties included.

    In the worst order, the rows of a class come last in their bucket; in the best, first. Sums of reciprocals are
    bounded by logarithms.
    """
    p, q = _all_buckets(positive)[::-1], _all_buckets(negative)[::-1]
    earlier_positives, rows = np.cumsum(p) - p, np.cumsum(p + q) - p - q
    earlier_negatives = rows - earlier_positives
    best = p - earlier_negatives * np.log((rows + p + 1) / (rows + 1))
    before = np.maximum(rows + q, 1e-300)
    worst = p - (earlier_negatives + q) * np.log((before + p) / before)
    return max(0.0, float(worst.sum() / p.sum())), min(1.0, float(best.sum() / p.sum()))


def average_precision(positive: ColumnCounts, negative: ColumnCounts) -> float:
    """Sum over falling thresholds of precision times growth of recall."""
    p, q = _all_buckets(positive)[::-1], _all_buckets(negative)[::-1]
    positives, all_rows = np.cumsum(p), np.cumsum(p + q)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(all_rows > 0, positives / all_rows, 0.0)
    return float((precision * p).sum() / p.sum())


def _all_buckets(counts: ColumnCounts) -> np.ndarray:
    return counts.regular


def _of_class(
    subject: Subject, name: str, part: Slice, base: Slice | None, where: dict[str, str]
) -> Iterator[Measurement]:
    positive, negative = part.column(f"truth.{name}.positive"), part.column(f"truth.{name}.negative")
    p, q = positive.n, negative.n
    at = labels(**{"class": name}, **where)
    if min(p, q) < 1 or p + q < subject.settings.min_outcomes:
        reason = too_few(p + q, subject.settings.min_outcomes, "outcomes")
        reason = (
            f"the class was {'never' if p < 1 else 'always'} the truth" if min(p, q) < 1 and p + q else reason
        )
        yield from (subject.not_measured(info, reason, p + q, where=at) for info in (ROC_AUC, PR_AUC))
        return
    usual = _usual(name, base)
    area = roc_auc(positive, negative)
    half = Z * hanley_mcneil(area, p, q)
    least, greatest = roc_auc_bounds(positive, negative)
    yield subject.ok(
        ROC_AUC,
        area,
        p + q,
        where=at,
        interval=(max(0.0, min(area - half, least)), min(1.0, max(area + half, greatest))),
        baseline=roc_auc(*usual) if usual else None,
    )
    precision = average_precision(positive, negative)
    logit = math.log(max(precision, 1e-9) / max(1 - precision, 1e-9))
    spread = Z / math.sqrt(max(p * precision * (1 - precision), 1e-9))  # Boyd, Eng and Page 2013
    least, greatest = average_precision_bounds(positive, negative)
    low, high = (1 / (1 + math.exp(-min(max(logit + s, -500), 500))) for s in (-spread, spread))
    yield subject.ok(
        PR_AUC,
        precision,
        p + q,
        where=at,
        interval=(min(low, precision, least), max(high, precision, greatest)),
        baseline=average_precision(*usual) if usual else None,
    )


def _usual(name: str, base: Slice | None) -> tuple[ColumnCounts, ColumnCounts] | None:
    if base is None or not base.has(f"truth.{name}.negative"):
        return None
    both = base.column(f"truth.{name}.positive"), base.column(f"truth.{name}.negative")
    return both if min(counts.n for counts in both) > 0 else None


def _mean(
    subject: Subject, info: MetricInfo, of_classes: list[Measurement], where: dict[str, str]
) -> Measurement:
    measured = [m for m in of_classes if m.value is not None]
    at = labels(**where)
    if not measured:
        return subject.not_measured(info, of_classes[0].reason, of_classes[0].n, where=at)

    def mean(values: list[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return math.fsum(present) / len(present) if len(present) == len(values) else None

    value = mean([m.value for m in measured])
    assert value is not None
    low, high = mean([m.low for m in measured]), mean([m.high for m in measured])
    interval = (low, high) if low is not None and high is not None else None
    usual = mean([m.baseline for m in measured])
    return subject.ok(info, value, measured[0].n, where=at, interval=interval, baseline=usual)


def hanley_mcneil(area: float, p: float, q: float) -> float:
    """Standard error of an area under the ROC curve (Hanley and McNeil 1982)."""
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (p - 1) * (one - area**2) + (q - 1) * (two - area**2)
    return math.sqrt(max(variance, 0.0) / (p * q))


def _log_loss(
    subject: Subject, part: Slice, base: Slice | None, where: tuple[tuple[str, str], ...]
) -> Iterator[Measurement]:
    n = part.flag("scored")
    if n < subject.settings.min_outcomes:
        if not where:
            reason = too_few(n, subject.settings.min_outcomes, "outcomes with probabilities")
            yield subject.not_measured(LOG_LOSS, reason, n)
        return
    unknown = part.flag("truth_without_probability")
    if unknown > _STRAY * (n + unknown):
        reason = (
            f"not among the classes with a probability: {unknown:.0f} of {counted(n + unknown, 'true value')}"
        )
        yield subject.not_measured(LOG_LOSS, reason, n, where=where)
        return
    mean = part.total("log_loss") / n
    variance = part.total("log_loss_squared") / n - mean * mean
    m = base.flag("scored") if base is not None else 0.0
    usual = base.total("log_loss") / m if base is not None and m else None
    yield subject.ok(
        LOG_LOSS, mean, n, where=where, interval=intervals.of_mean(mean, variance, n), baseline=usual
    )
