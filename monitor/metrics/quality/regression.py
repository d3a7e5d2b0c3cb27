"""Quality of a regressor, from exact sums of its residuals (answer - truth)."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.task import Task, task_of
from monitor.records import Better, Labels, Measurement
from monitor.windows.outcome_counts import TOO_LARGE
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
OVERFLOW = "errors are too large to be squared or added in 64 bits"
_NEEDS = "outcomes with `truth`; numbers"
MAE = MetricInfo(
    "mae",
    "",
    Better.LOWER,
    "Mean absolute error, in the unit of the predictions.",
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
    "r_squared", "", Better.HIGHER, "Share of the truth's variance that the predictions explain; 1 is perfect.", _WHERE,
    "1 - sum (answer - truth)^2 / sum (truth - mean)^2", _NEEDS,
)  # fmt: skip
BIAS = MetricInfo(
    "bias",
    "",
    Better.NONE,
    "Mean error: above 0 the predictions are too high.",
    _WHERE,
    "mean (answer - truth)",
    _NEEDS,
)
INFO = (MAE, RMSE, MAPE, R_SQUARED, BIAS)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Errors for all rows and by version and segment, for models whose answers are numbers."""
    if task_of(subject) is not Task.REGRESSION:
        return
    needed = subject.settings.min_outcomes
    for where, part, base in subject.scopes():
        n, infinite = part.flag("residuals"), part.flag("infinite")
        reason = _why(part, needed)
        if infinite or n < needed:
            if n or infinite or not where:
                yield from (subject.not_measured(info, reason, n, where=where) for info in INFO)
            continue
        has_baseline = base is not None and base.flag("residuals") >= needed and not base.flag("infinite")
        yield from _measure(subject, where, part, base if has_baseline else None)


def _why(part: Slice, needed: int) -> str:
    if infinite := part.flag("infinite"):
        return f"{infinite:.0f} answers or truths are infinite"
    if part.flag("classed") >= needed > part.flag("residuals"):
        return "answers and truths are counted as classes: see `task` in docs/configuration.md"
    return too_few(part.flag("residuals"), needed, "outcomes")


def r_squared(part: Slice) -> float | None:
    """The share of variance explained; None if the truths do not vary, or squares exceed float64."""
    names = ("residual_squared", "truth", "truth_squared")
    if any(mean_of(part, name) is None for name in names):
        return None
    n, total = part.flag("residuals"), part.total("truth")
    spread = part.total("truth_squared") - total * (total / n)
    # The variance of equal truths is a rounding error.
    if not math.isfinite(spread) or spread <= 1e-12 * part.total("truth_squared"):
        return None
    return 1 - part.total("residual_squared") / spread


def mean_of(part: Slice | None, name: str, rows: str = "residuals") -> float | None:
    """A mean of a slice; None if it cannot be computed, or exceeds float64."""
    if part is None or not part.flag(rows) or part.flag(f"{TOO_LARGE}{name}"):
        return None
    mean = part.total(name) / part.flag(rows)
    return mean if math.isfinite(mean) else None


def _measure(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.flag("residuals")
    squared, fourth = mean_of(part, "residual_squared"), mean_of(part, "residual_fourth")
    for info, name in ((MAE, "residual_absolute"), (BIAS, "residual")):
        mean = mean_of(part, name)
        if mean is None:
            yield subject.not_measured(info, OVERFLOW, n, where=where)
            continue
        interval = _interval(mean, squared, n)
        yield subject.ok(info, mean, n, where=where, interval=interval, baseline=mean_of(base, name))
    if squared is None:
        yield subject.not_measured(RMSE, OVERFLOW, n, where=where)
    else:
        usual = mean_of(base, "residual_squared")
        yield subject.ok(
            RMSE,
            math.sqrt(squared),
            n,
            where=where,
            interval=None if fourth is None else _root_interval(squared, fourth, n),
            baseline=None if usual is None else math.sqrt(usual),
        )
    yield _relative(subject, where, part, base)
    yield _explained(subject, where, part, base)


def _explained(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Measurement:
    n = part.flag("residuals")
    explained = r_squared(part)
    if explained is None:
        lost = any(mean_of(part, name) is None for name in ("residual_squared", "truth", "truth_squared"))
        return subject.not_measured(R_SQUARED, OVERFLOW if lost else "the truths do not vary", n, where=where)
    usual = r_squared(base) if base is not None else None
    # Olkin and Finn 1995; not valid for answers that are worse than the mean of the truths.
    half = Z * math.sqrt(4 * explained * (1 - explained) ** 2 / n) if explained > 0 else 0.0
    interval = (explained - half, min(1.0, explained + half))
    return subject.ok(R_SQUARED, explained, n, where=where, interval=interval, baseline=usual)


def _relative(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Measurement:
    n = part.flag("relative_residuals")
    if n < subject.settings.min_outcomes:
        reason = too_few(n, subject.settings.min_outcomes, "outcomes other than zero")
        return subject.not_measured(MAPE, reason, n, where=where)
    mean = mean_of(part, "relative", "relative_residuals")
    if mean is None:
        return subject.not_measured(MAPE, OVERFLOW, n, where=where)
    squared = mean_of(part, "relative_squared", "relative_residuals")
    usual = mean_of(base, "relative", "relative_residuals")
    return subject.ok(MAPE, mean, n, where=where, interval=_interval(mean, squared, n), baseline=usual)


def _interval(mean: float, squared: float | None, n: float) -> Interval | None:
    """The interval of a mean; None if the squares cannot be computed."""
    if squared is None or not math.isfinite(mean * mean):
        return None
    return intervals.of_mean(mean, squared - mean * mean, n)


def _root_interval(square: float, fourth: float, n: float) -> Interval:
    low, high = intervals.of_mean(square, fourth - square * square, n)
    return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))
