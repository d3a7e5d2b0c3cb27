"""Quality of a regressor against outcomes, from exact sums of its residuals (answer - truth)."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "outcomes with `truth`; numbers"
MAE = MetricInfo(
    "mae",
    "",
    Better.LOWER,
    "Mean absolute error, in the unit of the answers.",
    _WHERE,
    "mean |answer - truth|",
    _NEEDS,
)
RMSE = MetricInfo(
    "rmse", "", Better.LOWER, "Root of the mean squared error: large misses weigh more.", _WHERE,
    "sqrt(mean (answer - truth)^2)", _NEEDS,
)  # fmt: skip
MAPE = MetricInfo(
    "mape", "share", Better.LOWER, "Mean absolute error relative to the truth; truths of zero are left out.", _WHERE,
    "mean |answer - truth| / |truth|", _NEEDS,
)  # fmt: skip
R_SQUARED = MetricInfo(
    "r_squared", "", Better.HIGHER, "Share of the truth's variance that the answers explain; 1 is perfect.", _WHERE,
    "1 - sum (answer - truth)^2 / sum (truth - mean)^2", _NEEDS,
)  # fmt: skip
BIAS = MetricInfo(
    "bias",
    "",
    Better.NONE,
    "Mean error: above 0 the answers are too high.",
    _WHERE,
    "mean (answer - truth)",
    _NEEDS,
)
INFO = (MAE, RMSE, MAPE, R_SQUARED, BIAS)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Errors in all and by version and segment, for models that answer with numbers."""
    needed = subject.settings.min_outcomes
    for where, part, base in subject.scopes():
        n = part.flag("residuals")
        if n < needed:
            if n or (not where and _answers_numbers(subject)):
                yield from (
                    subject.not_measured(info, too_few(n, needed, "outcomes"), n, where=where)
                    for info in INFO
                )
            continue
        known = base is not None and base.flag("residuals") >= needed
        yield from _measure(subject, where, part, base if known else None)


def r_squared(part: Slice) -> float | None:
    """Share of variance explained; None where the truths do not vary."""
    n, total = part.flag("residuals"), part.total("truth")
    spread = part.total("truth_squared") - total * total / n
    # Truths that are all alike leave a rest of rounding, not a variance.
    if not math.isfinite(spread) or spread <= 1e-12 * part.total("truth_squared"):
        return None
    return 1 - part.total("residual_squared") / spread


def _answers_numbers(subject: Subject) -> bool:
    column = subject.profile.layout.by_name.get("prediction")
    return column is not None and not column.labelled


def _measure(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.flag("residuals")
    squared = part.total("residual_squared") / n
    means = {
        MAE: ("residual_absolute", squared),
        BIAS: ("residual", squared),
    }
    for info, (name, square) in means.items():
        mean = part.total(name) / n
        usual = base.total(name) / base.flag("residuals") if base is not None else None
        interval = intervals.of_mean(mean, square - mean * mean, n)
        yield subject.ok(info, mean, n, where=where, interval=interval, baseline=usual)
    usual_squared = base.total("residual_squared") / base.flag("residuals") if base is not None else None
    yield subject.ok(
        RMSE,
        math.sqrt(squared),
        n,
        where=where,
        interval=_root_interval(squared, part.total("residual_fourth") / n, n),
        baseline=None if usual_squared is None else math.sqrt(usual_squared),
    )
    yield _relative(subject, where, part, base)
    explained = r_squared(part)
    if explained is None:
        yield subject.not_measured(R_SQUARED, "the truths do not vary", n, where=where)
        return
    usual = r_squared(base) if base is not None else None
    # Olkin and Finn 1995; answers that are worse than the mean of the truths have no such interval.
    half = Z * math.sqrt(4 * explained * (1 - explained) ** 2 / n) if explained > 0 else 0.0
    interval = (explained - half, min(1.0, explained + half))
    yield subject.ok(R_SQUARED, explained, n, where=where, interval=interval, baseline=usual)


def _relative(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Measurement:
    n = part.flag("relative_residuals")
    if n < subject.settings.min_outcomes:
        reason = too_few(n, subject.settings.min_outcomes, "outcomes other than zero")
        return subject.not_measured(MAPE, reason, n, where=where)
    mean = part.total("relative") / n
    variance = part.total("relative_squared") / n - mean * mean
    m = base.flag("relative_residuals") if base is not None else 0.0
    usual = base.total("relative") / m if base is not None and m else None
    interval = intervals.of_mean(mean, variance, n)
    return subject.ok(MAPE, mean, n, where=where, interval=interval, baseline=usual)


def _root_interval(square: float, fourth: float, n: float) -> Interval:
    low, high = intervals.of_mean(square, fourth - square * square, n)
    return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))
