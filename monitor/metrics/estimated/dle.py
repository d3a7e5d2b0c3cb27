"""Direct loss estimation (DLE): the mean absolute error of a regressor, estimated before outcomes arrive.

Trees, learned with the baseline, estimate |prediction - truth| of each row while it is counted (see
`monitor.windows.error_trees`), so a window has their sums. Without them, a ridge regression does so from the cells of
each feature (`monitor.windows.kernel.loss_model`), and needs only the cell counts of a window.
The estimate assumes that the relation between inputs and errors is unchanged: it detects changed inputs, not concept
drift.
"""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics.drift.distance_plan import plan_of
from monitor.metrics.estimated import tree_estimate
from monitor.metrics.estimated.tree_estimate import Estimate
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.regression import OVERFLOW, mean_of
from monitor.metrics.quality.task import Task, task_of
from monitor.records import Better, Measurement
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.error_trees import expected_errors
from monitor.windows.profile import Slice

ESTIMATED_MAE = MetricInfo(
    "estimated_mae", "", Better.LOWER, "Mean absolute error estimated from the features.", ("version", "segment"),
    "mean of |error| as boosted trees of the baseline expect it; without the extra `estimates`, a ridge regression "
    "of |error| on the cells of each feature alone, not by segment",
    "a baseline with numeric `prediction` and `truth`", "direct loss estimation (NannyML's name for it)",
)  # fmt: skip
ESTIMATED_MAE_ERROR = MetricInfo(
    "estimated_mae_error", "", Better.NONE, "Estimate minus the measured value.", (),
    "estimated MAE - MAE of the answers with a known truth", "outcomes with `truth`; see `estimated_mae`",
)  # fmt: skip
INFO = (ESTIMATED_MAE, ESTIMATED_MAE_ERROR)


_FEW_TRUTHS = "the baseline has too few truths"


def measure(subject: Subject) -> Iterator[Measurement]:
    """The estimated mean absolute error of a regressor, and the error of the estimate once outcomes are known."""
    baseline = subject.baseline
    if baseline is None or task_of(subject) is not Task.REGRESSION:
        return
    if not baseline.profile.overall.flag("residuals"):
        return
    same = baseline.layout.id == subject.profile.layout.id
    for where, part, base in subject.scopes():
        n = _answers(part)
        estimate = _estimate(baseline, part) if same and n >= subject.settings.min_rows else None
        if estimate is None:
            if not where:
                has_model = baseline.loss is not None or baseline.layout.errors is not None
                reason = too_few(n, subject.settings.min_rows) if has_model else _FEW_TRUTHS
                yield subject.not_measured(ESTIMATED_MAE, reason, n)
            continue
        half = Z * math.sqrt(estimate.variance / n + estimate.of_fit)
        interval = (max(0.0, estimate.value - half), estimate.value + half)
        usual = mean_of(base, "residual_absolute") if base is not None and base.flag("residuals") else None
        yield subject.ok(ESTIMATED_MAE, estimate.value, n, where=where, interval=interval, baseline=usual)
        if not where:
            yield _error(subject, estimate, part)


def error_of(subject: Subject) -> Measurement | None:
    """The error of the estimated mean absolute error; None if it is not estimated."""
    return next((one for one in measure(subject) if one.metric == ESTIMATED_MAE_ERROR.name), None)


def _answers(part: Slice) -> float:
    expected = expected_errors.of_slice(part)
    if expected is not None:
        return expected.rows
    return part.column("prediction").n if part.has("prediction") else 0.0


def _estimate(baseline: Baseline, part: Slice) -> Estimate | None:
    """By the trees of the baseline, or by its table, which needs the counts of features: of all rows or a version."""
    if baseline.layout.errors is not None:
        return tree_estimate.of_slice(baseline.layout.errors, part)
    if baseline.loss is None or not part.has(baseline.layout.columns[-1].name):
        return None
    plan = plan_of(baseline.layout)
    cells = plan.cells(part.counts)
    shares = cells / np.maximum(plan.spread(plan.sums(cells)), 1e-300)
    value, of_fit = baseline.loss.expected(shares)
    return Estimate(value, baseline.loss.variance, of_fit)


def _error(subject: Subject, estimate: Estimate, part: Slice) -> Measurement:
    """The estimate minus the mean error of the answers with a known truth."""
    seen = part.flag("residuals")
    if seen < subject.settings.min_outcomes:
        reason = too_few(seen, subject.settings.min_outcomes, "outcomes")
        return subject.not_measured(ESTIMATED_MAE_ERROR, reason, seen)
    error = mean_of(part, "residual_absolute")
    if error is None:
        return subject.not_measured(ESTIMATED_MAE_ERROR, OVERFLOW, seen)
    off, half = estimate.value - error, Z * math.sqrt(estimate.variance / seen + estimate.of_fit)
    return subject.ok(ESTIMATED_MAE_ERROR, off, seen, interval=(off - half, off + half), baseline=0.0)
