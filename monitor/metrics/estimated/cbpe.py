"""Confidence-based performance estimation (CBPE): the quality of a classifier, estimated before outcomes arrive.

The baseline gives the share of correct predictions in each bucket of confidence; the window gives the number of
predictions in each bucket. The estimate assumes that this relation is unchanged: it detects changed inputs, not concept
drift.
"""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics.estimated import tree_estimate
from monitor.metrics.estimated.calibration import ScoreCalibration, of_class, of_confidence
from monitor.metrics.estimated.tree_estimate import Estimate
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.task import OF_NUMBERS, task_of
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.layout.layout import Floats
from monitor.windows.profile import Slice

_CBPE = "confidence-based performance estimation (NannyML's name for it)"
ESTIMATED_ACCURACY = MetricInfo(
    "estimated_accuracy", "share", Better.HIGHER,
    "Accuracy estimated from the confidence of the predictions, or from the features.",
    ("version", "segment"), "sum over confidence buckets of share x accuracy of that bucket in the baseline "
    "(of a segment: in its own rows there, from 500 truths on); of answers without confidence, as boosted trees of the "
    "baseline expect it (extra `estimates`)",
    "a baseline with `truth`; `confidence`, or classes as answers", _CBPE,
)  # fmt: skip
ESTIMATED_ACCURACY_ERROR = MetricInfo(
    "estimated_accuracy_error", "share", Better.NONE, "Estimate minus the measured value.", (),
    "estimated accuracy of the answers with a known truth - their accuracy",
    "`confidence`, outcomes with `truth`; a baseline with `truth`",
)  # fmt: skip
ESTIMATED_PRECISION = MetricInfo(
    "estimated_precision", "share", Better.HIGHER, "Precision estimated from the probabilities.", ("class",),
    "expected true positives / predicted; two classes, decided at one half",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_RECALL = MetricInfo(
    "estimated_recall", "share", Better.HIGHER, "Recall estimated from the probabilities.", ("class",),
    "expected true positives / expected actual; two classes, decided at one half",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_ROC_AUC = MetricInfo(
    "estimated_roc_auc", "", Better.HIGHER, "ROC AUC estimated from the probabilities.",
    ("class", "version", "segment"),
    "area over pairs of buckets, each weighed by its expected positives and negatives; by version and segment of the "
    "last class, unless the accuracy of the segment in the baseline contradicts the shares of all rows",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
INFO = (
    ESTIMATED_ACCURACY, ESTIMATED_ACCURACY_ERROR, ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC,
)  # fmt: skip
_OWN = 500.0
"""Minimum truths of a segment in the baseline for using its own accuracy per bucket instead of that of all rows."""
_SURE, _MOST_OFF = 4.0, 0.02


def measure(subject: Subject) -> Iterator[Measurement]:
    """Estimated accuracy, precision, recall and ROC AUC, and the error of the estimate once outcomes are known."""
    baseline = subject.baseline
    if baseline is None:
        yield subject.not_measured(ESTIMATED_ACCURACY, "no baseline")
        return
    base = baseline.profile.overall
    known = truths(base)
    if task_of(subject) in OF_NUMBERS:
        return
    if known >= subject.settings.min_outcomes:
        for where, part, own in subject.scopes():
            yield from _accuracy(subject, where, part, own if own and truths(own) >= _OWN else base)
        yield _error_of_accuracy(subject, subject.profile.overall, base)
        if baseline.layout.id == subject.profile.layout.id and len(baseline.layout.classes) == 2:
            yield from _by_class(subject, baseline)
            yield from _areas_of_parts(subject, baseline)
    elif _has_trees(baseline) and baseline.layout.id == subject.profile.layout.id:
        yield from _by_trees(subject, baseline)
    else:
        yield subject.not_measured(
            ESTIMATED_ACCURACY, "the baseline has too few truths with confidence", known
        )


def error_of(subject: Subject) -> Measurement | None:
    """The error of the estimated accuracy; None if it is not estimated."""
    if subject.baseline is None or task_of(subject) in OF_NUMBERS:
        return None
    base = subject.baseline.profile.overall
    if truths(base) < subject.settings.min_outcomes:
        same = subject.baseline.layout.id == subject.profile.layout.id
        return _error_by_trees(subject, subject.baseline) if _has_trees(subject.baseline) and same else None
    return _error_of_accuracy(subject, subject.profile.overall, base)


def _has_trees(baseline: Baseline) -> bool:
    """Whether trees say how likely each answer is wrong: of answers that are classes, sent without a confidence."""
    answer = baseline.layout.by_name.get("prediction")
    return baseline.layout.errors is not None and answer is not None and answer.labelled


def _by_trees(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    for where, part, own in subject.scopes():
        estimate = _expected_wrong(baseline, part)
        n = part.column("prediction").n
        if estimate is None or n < subject.settings.min_rows:
            if not where:
                yield subject.not_measured(ESTIMATED_ACCURACY, too_few(n, subject.settings.min_rows), n)
            continue
        usual = own.flag("right") / own.flag("classed") if own is not None and own.flag("classed") else None
        variance = estimate.variance / n + estimate.of_fit
        interval = _within(1 - estimate.value, variance)
        yield subject.ok(
            ESTIMATED_ACCURACY, 1 - estimate.value, n, where=where, interval=interval, baseline=usual
        )
    yield _error_by_trees(subject, baseline)


def _error_by_trees(subject: Subject, baseline: Baseline) -> Measurement:
    part = subject.profile.overall
    estimate, n = _expected_wrong(baseline, part), part.flag("classed")
    if estimate is None or n < subject.settings.min_outcomes:
        return subject.not_measured(
            ESTIMATED_ACCURACY_ERROR, too_few(n, subject.settings.min_outcomes, "outcomes"), n
        )
    off = 1 - estimate.value - part.flag("right") / n
    half = Z * math.sqrt(estimate.variance / n + estimate.of_fit)
    return subject.ok(ESTIMATED_ACCURACY_ERROR, off, n, interval=(off - half, off + half), baseline=0.0)


def _expected_wrong(baseline: Baseline, part: Slice) -> Estimate | None:
    """The estimated share of wrong answers of a slice."""
    trees = baseline.layout.errors
    return None if trees is None else tree_estimate.of_slice(trees, part, is_share=True)


def truths(base: Slice) -> float:
    """The number of predictions with a confidence and a known truth."""
    return base.column("confidence.right").n + base.column("confidence.wrong").n


def _accuracy(subject: Subject, where: Labels, part: Slice, base: Slice) -> Iterator[Measurement]:
    counts = part.column("confidence").regular
    n = float(counts.sum())
    if n < subject.settings.min_rows:
        if not where:
            yield subject.not_measured(ESTIMATED_ACCURACY, too_few(n, subject.settings.min_rows), n)
        return
    value, error = of_confidence(base).expected(counts)
    interval = (max(0.0, value - Z * error), min(1.0, value + Z * error))
    usual = base.flag("right") / base.flag("classed") if base.flag("classed") else None
    yield subject.ok(ESTIMATED_ACCURACY, value, n, where=where, interval=interval, baseline=usual)


def _error_of_accuracy(subject: Subject, part: Slice, base: Slice) -> Measurement:
    right = part.column("confidence.right").regular
    counts = right + part.column("confidence.wrong").regular
    n = float(counts.sum())
    if n < subject.settings.min_outcomes:
        reason = too_few(n, subject.settings.min_outcomes, "outcomes with confidence")
        return subject.not_measured(ESTIMATED_ACCURACY_ERROR, reason, n)
    value, error = of_confidence(base).expected(counts)
    off = value - float(right.sum()) / n
    interval = (off - Z * error, off + Z * error)
    return subject.ok(ESTIMATED_ACCURACY_ERROR, off, n, interval=interval, baseline=0.0)


def _by_class(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    for name in baseline.layout.classes:
        at = labels(**{"class": name})
        column = subject.profile.overall.column(f"probabilities.{name}")
        counts = column.regular
        n = float(counts.sum())
        if n < subject.settings.min_rows:
            reason = too_few(n, subject.settings.min_rows)
            infos = (ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC)
            yield from (subject.not_measured(info, reason, n, where=at) for info in infos)
            continue
        calibration = of_class(baseline.profile.overall, name)
        called = column.column.edges[:-1] >= 0.5
        predicted, actual = float(counts[called].sum()), float((counts * calibration.shares).sum())
        hits = float((counts * calibration.shares)[called].sum())
        by_share = counts * called
        for info, bottom, gradient in (
            (ESTIMATED_PRECISION, predicted, by_share),
            (ESTIMATED_RECALL, actual, by_share - counts * hits / max(actual, 1e-300)),
        ):
            if bottom <= 0:
                yield subject.not_measured(info, "no answer is expected to be of this class", n, where=at)
                continue
            share = hits / bottom
            interval = _within(share, share * (1 - share) / bottom + calibration.variance(gradient / bottom))
            yield subject.ok(info, share, n, where=at, interval=interval)
        yield _area(subject, counts, calibration, at)


def _areas_of_parts(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    """The area by version and segment, of one class: that of the other one of two says the same."""
    name, base = baseline.layout.classes[-1], baseline.profile.overall
    for where, part, own in subject.scopes():
        if not where or not part.has(f"probabilities.{name}"):
            continue
        counts = part.column(f"probabilities.{name}").regular
        if counts.sum() >= subject.settings.min_rows and not contradicts(own, base):
            yield _area(subject, counts, of_class(base, name), labels(**{"class": name}, **dict(where)))


def contradicts(own: Slice | None, base: Slice) -> bool:
    """Whether the answers of a part of the baseline were right more or less often than the shares of all its rows say:
    beyond chance (four standard errors) and by two points. Estimates from these shares would be wrong there.
    """
    if own is None or own is base or not truths(own):
        return False
    right = own.column("confidence.right").regular
    counts = right + own.column("confidence.wrong").regular
    value, error = of_confidence(base).expected(counts)
    off = abs(value - float(right.sum()) / float(counts.sum()))
    return off > max(_SURE * error, _MOST_OFF)


def _area(subject: Subject, counts: Floats, calibration: ScoreCalibration, at: Labels) -> Measurement:
    positive, negative = counts * calibration.shares, counts * (1 - calibration.shares)
    p, q = float(positive.sum()), float(negative.sum())
    if min(p, q) <= 0:
        reason = "all answers are expected to be of one class"
        return subject.not_measured(ESTIMATED_ROC_AUC, reason, float(counts.sum()), where=at)
    below = np.cumsum(negative) - negative / 2
    above = p - np.cumsum(positive) + positive / 2
    area = float((positive * below).sum() / (p * q))
    gradient = counts * ((below - above) / (p * q) - area / p + area / q)
    variance = area * (1 - area) / max(min(p, q), 1.0) + calibration.variance(gradient)
    return subject.ok(
        ESTIMATED_ROC_AUC, area, float(counts.sum()), where=at, interval=_within(area, variance)
    )


def _within(share: float, variance: float) -> Interval:
    half = Z * math.sqrt(max(variance, 0.0))
    return max(0.0, share - half), min(1.0, share + half)
