"""Calibration: whether the confidence equals the share of correct answers. Calibration error, Brier score, reliability
curve.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.confusion import AMBIGUOUS, confusion_of, is_certain, notation_of
from monitor.metrics.quality.task import OF_NUMBERS, task_of
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
EXPECTED_CALIBRATION_ERROR = MetricInfo(
    "expected_calibration_error", "", Better.LOWER,
    "Mean distance between confidence and the share of correct predictions.", _WHERE,
    "sum over bins of n_bin / n |right / n_bin - mean confidence|; confidence within half a hundredth",
    "`confidence`, outcomes with `truth`", "Naeini et al. 2015",
)  # fmt: skip
CONFIDENCE_BIAS = MetricInfo(
    "confidence_bias", "", Better.NONE,
    "Mean confidence minus the share of correct predictions: above 0 is overconfident.",
    _WHERE, "mean confidence - accuracy", "`confidence`, outcomes with `truth`",
)  # fmt: skip
BRIER_SCORE = MetricInfo(
    "brier_score", "", Better.LOWER, "Mean squared distance of the confidence from 1 (right) or 0 (wrong).", _WHERE,
    "mean of (confidence - right)^2", "`confidence`, outcomes with `truth`", "Brier 1950",
)  # fmt: skip
INFO = (EXPECTED_CALIBRATION_ERROR, CONFIDENCE_BIAS, BRIER_SCORE)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """The reliability curve: per bin the mean confidence, the share of correct answers, and the number of answers."""

    confidence: np.ndarray
    right: np.ndarray
    n: np.ndarray


def reliability(part: Slice, bins: int = 10) -> Reliability:
    """The curve over equal bins of confidence; NaN in bins without answers. `bins` divides 100."""
    right, wrong = part.column("confidence.right").regular, part.column("confidence.wrong").regular
    middles = (np.arange(right.size) + 0.5) / right.size
    both = (right + wrong).reshape(bins, -1)
    n = both.sum(axis=1)
    with np.errstate(invalid="ignore"):
        confidence = (both * middles.reshape(bins, -1)).sum(axis=1) / n
        return Reliability(confidence, right.reshape(bins, -1).sum(axis=1) / n, n)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Calibration for all rows and by version and segment, with enough outcomes."""
    if task_of(subject) in OF_NUMBERS and subject.profile.overall.flag("classed"):
        yield from (subject.not_measured(info, "the answers are numbers, not classes") for info in INFO)
        return
    notation = notation_of(subject)
    for where, part, base in subject.scopes():
        n = _n(part)
        if not is_certain(part, confusion_of(part, notation)):
            yield from (subject.not_measured(info, AMBIGUOUS, n, where=where) for info in INFO)
            continue
        if n < subject.settings.min_outcomes:
            if not where:
                for info in INFO:
                    reason = too_few(n, subject.settings.min_outcomes, "outcomes with confidence")
                    yield subject.not_measured(info, reason, n)
            continue
        usable = base is not None and _n(base) >= subject.settings.min_outcomes
        yield from _measure(subject, where, part, base if usable else None, n)


def _n(part: Slice) -> float:
    return part.column("confidence.right").finite + part.column("confidence.wrong").finite


def _measure(
    subject: Subject, where: Labels, part: Slice, base: Slice | None, n: float
) -> Iterator[Measurement]:
    bins = subject.settings.calibration_bins
    error = calibration_error(part, bins)
    # The standard errors of the bins' shares bound the error of the sum.
    curve = reliability(part, bins)
    share = np.nan_to_num(curve.right)
    noise = float(np.sqrt((curve.n * share * (1 - share)).sum()) / n) * intervals.Z
    before = calibration_error(base, bins) if base is not None else None
    yield subject.ok(
        EXPECTED_CALIBRATION_ERROR,
        error,
        n,
        where=where,
        interval=(max(0.0, error - noise), min(1.0, error + noise)),
        baseline=before,
    )
    bias, variance = _bias(part, n)
    usual = _bias(base, _n(base))[0] if base is not None else None
    interval = intervals.of_mean(bias, variance, n)
    yield subject.ok(CONFIDENCE_BIAS, bias, n, where=where, interval=interval, baseline=usual)
    brier = brier_of(part)
    half = intervals.Z * (brier * max(1.0 - brier, 0.0) / n) ** 0.5  # the largest for values in [0, 1]
    usual = brier_of(base) if base is not None else None
    interval = (max(0.0, brier - half), min(1.0, brier + half))
    yield subject.ok(BRIER_SCORE, brier, n, where=where, interval=interval, baseline=usual)


def calibration_error(part: Slice, bins: int) -> float:
    """Expected calibration error over equal bins."""
    curve = reliability(part, bins)
    gaps = np.nan_to_num(np.abs(curve.right - curve.confidence))
    return float((curve.n * gaps).sum() / curve.n.sum())


def brier_of(part: Slice) -> float:
    """Mean squared distance of the confidence from being correct (1) or not (0), from exact moments."""
    right, wrong = part.column("confidence.right"), part.column("confidence.wrong")
    total = 0.0
    if right.finite:
        total += right.finite * (((right.mean or 0.0) - 1.0) ** 2 + (right.deviation or 0.0) ** 2)
    if wrong.finite:
        total += wrong.finite * ((wrong.mean or 0.0) ** 2 + (wrong.deviation or 0.0) ** 2)
    return total / (right.finite + wrong.finite)


def _bias(part: Slice, n: float) -> tuple[float, float]:
    """The mean of confidence - right, and its variance over rows."""
    bias = 0.0
    for name, right in (("confidence.right", 1.0), ("confidence.wrong", 0.0)):
        counts = part.column(name)
        bias += counts.finite * ((counts.mean or 0.0) - right)
    bias /= n
    return bias, max(brier_of(part) - bias**2, 0.0)


def bias_of(part: Slice) -> tuple[float, float]:
    """Mean confidence minus the share of correct answers, and the number of answers (0 and 0 without any)."""
    bias, _, n = moments_of_bias(part)
    return bias, n


def moments_of_bias(part: Slice) -> tuple[float, float, float]:
    """Mean confidence minus the share of correct answers, its variance over rows, and the number of answers (all 0
    without any).
    """
    n = _n(part)
    return (*_bias(part, n), n) if n else (0.0, 0.0, 0.0)
