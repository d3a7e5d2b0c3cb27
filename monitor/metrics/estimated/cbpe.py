"""Confidence-based performance estimation (CBPE): the quality of a classifier, estimated before outcomes arrive.

The baseline gives the share of correct predictions in each bucket of confidence; the window gives the number of
predictions in each bucket. The estimate assumes that this relation is unchanged: it detects changed inputs, not concept
drift.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.task import Task, task_of
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.profile import Slice

_CBPE = "confidence-based performance estimation (NannyML's name for it)"
ESTIMATED_ACCURACY = MetricInfo(
    "estimated_accuracy", "share", Better.HIGHER, "Accuracy estimated from the confidence of the predictions.",
    ("version", "segment"), "sum over confidence buckets of share x accuracy of that bucket in the baseline "
    "(of a segment: in its own rows there, from 500 truths on)",
    "`confidence`; a baseline with `truth`", _CBPE,
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
    "estimated_roc_auc", "", Better.HIGHER, "ROC AUC estimated from the probabilities.", ("class",),
    "area over pairs of buckets, each weighed by its expected positives and negatives",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
INFO = (
    ESTIMATED_ACCURACY, ESTIMATED_ACCURACY_ERROR, ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC,
)  # fmt: skip
_OWN = 500.0
"""Minimum truths of a segment in the baseline for using its own accuracy per bucket instead of that of all rows."""
_PRIOR = 10.0
"""Weight, in rows, of the estimate for a bucket without its own rows (a Bayesian prior)."""
_AS_CLAIMED, _WEAK = np.array([0.0, 1.0]), 0.5
"""The curve on which confidence is calibrated, and the precision of the prior at it."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """Estimated accuracy, precision, recall and ROC AUC, and the error of the estimate once outcomes are known."""
    baseline = subject.baseline
    if baseline is None:
        yield subject.not_measured(ESTIMATED_ACCURACY, "no baseline")
        return
    base = baseline.profile.overall
    known = _truths(base)
    if task_of(subject) is Task.REGRESSION:
        return
    if known >= subject.settings.min_outcomes:
        for where, part, own in subject.scopes():
            yield from _accuracy(subject, where, part, own if own and _truths(own) >= _OWN else base)
        yield from _error_of_accuracy(subject, subject.profile.overall, base)
        if baseline.layout.id == subject.profile.layout.id and len(baseline.layout.classes) == 2:
            yield from _by_class(subject, baseline)
    else:
        yield subject.not_measured(
            ESTIMATED_ACCURACY, "the baseline has too few truths with confidence", known
        )


def _truths(base: Slice) -> float:
    """The number of predictions with a confidence and a known truth."""
    return base.column("confidence.right").n + base.column("confidence.wrong").n


@dataclass(frozen=True, slots=True, eq=False)
class RightShares:
    """The share of correct answers per confidence bucket: `shares`, shape (buckets,).

    They lie between a bucket's own share in the baseline and a curve through all buckets, with the weight `own` for its
    own share. `rows` are the baseline's rows in each bucket. `slopes` are the derivatives of the curve by its two
    parameters, whose errors have the covariance `errors`.
    """

    shares: np.ndarray
    own: np.ndarray
    rows: np.ndarray
    slopes: np.ndarray
    errors: np.ndarray

    def expected(self, counts: np.ndarray) -> tuple[float, float]:
        """The mean of the shares over the counts, and the standard error of the accuracy that will be measured."""
        n, spread = counts.sum(), self.shares * (1 - self.shares)
        weights = counts / n
        chance = float((counts * spread).sum()) / n**2
        of_buckets = float(((weights * self.own) ** 2 * spread / np.maximum(self.rows, 1.0)).sum())
        moved = self.slopes @ (weights * (1 - self.own))
        of_curve = float(moved @ self.errors @ moved)
        return float((weights * self.shares).sum()), math.sqrt(chance + of_buckets + of_curve)


def right_shares(base: Slice) -> RightShares:
    """The share of correct answers per confidence bucket in the baseline.

    In a bucket with few rows, it is mostly that of a logistic curve through all buckets (Platt scaling), so that a
    hundred buckets can be learned from a few hundred rows.
    """
    right, wrong = base.column("confidence.right").regular, base.column("confidence.wrong").regular
    return _learned(right, right + wrong)


def _learned(right: np.ndarray, n: np.ndarray) -> RightShares:
    """The shares, from how many of each bucket's `n` rows were correct; buckets have equal widths from 0 to 1."""
    claimed = (np.arange(n.size) + 0.5) / n.size
    design = np.stack([np.ones(n.size), np.log(claimed / (1 - claimed))])
    parameters, errors = _logistic(design, right, n)
    curve = 1 / (1 + np.exp(-np.clip(parameters @ design, -30, 30)))
    own = n / (n + _PRIOR)
    observed = np.divide(right, n, out=curve.copy(), where=n > 0)
    return RightShares(own * observed + (1 - own) * curve, own, n, design * curve * (1 - curve), errors)


def _logistic(design: np.ndarray, right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two parameters of the curve by Newton's method, and their covariance. The weak prior is a calibrated
    confidence.
    """
    parameters = _AS_CLAIMED.copy()
    information = np.diag([_WEAK, _WEAK])
    for _ in range(25):
        curve = 1 / (1 + np.exp(-np.clip(parameters @ design, -30, 30)))
        information = (design * (n * curve * (1 - curve))) @ design.T + np.diag([_WEAK, _WEAK])
        gradient = design @ (right - n * curve) - _WEAK * (parameters - _AS_CLAIMED)
        moved = np.linalg.solve(information, gradient)
        parameters = parameters + np.clip(moved, -2.0, 2.0)
        if float(np.abs(moved).max()) < 1e-9:
            break
    return parameters, np.linalg.inv(information)


def _accuracy(subject: Subject, where: Labels, part: Slice, base: Slice) -> Iterator[Measurement]:
    counts = part.column("confidence").regular
    n = float(counts.sum())
    if n < subject.settings.min_rows:
        if not where:
            yield subject.not_measured(ESTIMATED_ACCURACY, too_few(n, subject.settings.min_rows), n)
        return
    value, error = right_shares(base).expected(counts)
    interval = (max(0.0, value - Z * error), min(1.0, value + Z * error))
    usual = base.flag("right") / base.flag("classed") if base.flag("classed") else None
    yield subject.ok(ESTIMATED_ACCURACY, value, n, where=where, interval=interval, baseline=usual)


def _error_of_accuracy(subject: Subject, part: Slice, base: Slice) -> Iterator[Measurement]:
    right = part.column("confidence.right").regular
    counts = right + part.column("confidence.wrong").regular
    n = float(counts.sum())
    if n < subject.settings.min_outcomes:
        reason = too_few(n, subject.settings.min_outcomes, "outcomes with confidence")
        yield subject.not_measured(ESTIMATED_ACCURACY_ERROR, reason, n)
        return
    value, error = right_shares(base).expected(counts)
    gap = value - float(right.sum()) / n
    interval = (gap - Z * error, gap + Z * error)
    yield subject.ok(ESTIMATED_ACCURACY_ERROR, gap, n, interval=interval, baseline=0.0)


def _by_class(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    for name in baseline.layout.classes:
        at = labels(**{"class": name})
        counts = subject.profile.overall.column(f"probabilities.{name}").regular
        n = float(counts.sum())
        infos = (ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC)
        if n < subject.settings.min_rows:
            reason = too_few(n, subject.settings.min_rows)
            yield from (subject.not_measured(info, reason, n, where=at) for info in infos)
            continue
        shares = _class_shares(baseline.profile.overall, name)
        positive, negative = counts * shares, counts * (1 - shares)
        called = np.arange(counts.size) >= counts.size // 2
        hits, predicted, actual = positive[called].sum(), counts[called].sum(), positive.sum()
        pairs = ((ESTIMATED_PRECISION, hits, predicted), (ESTIMATED_RECALL, hits, actual))
        for info, top, bottom in pairs:
            if bottom <= 0:
                yield subject.not_measured(info, "no answer is expected to be of this class", n, where=at)
                continue
            share = float(top / bottom)
            half = Z * math.sqrt(max(share * (1 - share), 0.0) / float(bottom))
            interval = (max(0.0, share - half), min(1.0, share + half))
            yield subject.ok(info, share, n, where=at, interval=interval)
        lower = np.cumsum(negative) - negative
        area = float((positive * (lower + negative / 2)).sum() / (positive.sum() * negative.sum()))
        half = Z * math.sqrt(
            max(area * (1 - area), 0.0) / max(float(min(positive.sum(), negative.sum())), 1.0)
        )
        yield subject.ok(
            ESTIMATED_ROC_AUC, area, n, where=at, interval=(max(0.0, area - half), min(1.0, area + half))
        )


def _class_shares(base: Slice, name: str) -> np.ndarray:
    """The share of rows with the class as truth in each hundredth of its probability, in the baseline."""
    positive, negative = base.column(f"truth.{name}.positive"), base.column(f"truth.{name}.negative")
    edges = positive.column.edges
    hundredth = np.minimum(((edges[:-1] + np.minimum(edges[1:], 1.0)) / 2 * 100).astype(int), 99)
    yes = np.bincount(hundredth, weights=positive.regular, minlength=100)
    no = np.bincount(hundredth, weights=negative.regular, minlength=100)
    return _learned(yes, yes + no).shares
