"""Direct loss estimation (DLE): the mean absolute error of a regressor, estimated before outcomes arrive.

A ridge regression, fitted on the baseline, estimates |prediction - truth| from the cells of each feature (see
`monitor.windows.kernel.loss_model`). The mean of this additive model over a window needs only the window's cell counts.
The estimate assumes that the relation between inputs and errors is unchanged: it detects changed inputs, not concept
drift.
"""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics.drift.distance_plan import plan_of
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.regression import OVERFLOW, mean_of
from monitor.metrics.quality.task import Task, task_of
from monitor.records import Better, Measurement
from monitor.windows.baseline_from_table import Baseline

ESTIMATED_MAE = MetricInfo(
    "estimated_mae", "", Better.LOWER, "Mean absolute error estimated from the features.", (),
    "intercept + sum over cells of share x coefficient, a ridge regression of |error| on the baseline's cells",
    "a baseline with numeric `prediction` and `truth`", "direct loss estimation (NannyML's name for it)",
)  # fmt: skip
ESTIMATED_MAE_ERROR = MetricInfo(
    "estimated_mae_error", "", Better.NONE, "Estimate minus the measured value.", (),
    "estimated mae - mae of the answers with a known truth", "outcomes with `truth`; see `estimated_mae`",
)  # fmt: skip
INFO = (ESTIMATED_MAE, ESTIMATED_MAE_ERROR)


def measure(subject: Subject) -> Iterator[Measurement]:
    """The estimated mean absolute error of a regressor, and the error of the estimate once outcomes are known."""
    if subject.baseline is not None and task_of(subject) is Task.REGRESSION:
        yield from _loss(subject, subject.baseline)


def _loss(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    if not baseline.profile.overall.flag("residuals"):
        return
    model, part = baseline.loss, subject.profile.overall
    n = part.column("prediction").n if part.has("prediction") else 0.0
    same = baseline.layout.id == subject.profile.layout.id
    if model is None or not same or n < subject.settings.min_rows:
        reason = "the baseline has too few truths" if model is None else too_few(n, subject.settings.min_rows)
        yield subject.not_measured(ESTIMATED_MAE, reason, n)
        return
    plan = plan_of(baseline.layout)
    cells = plan.cells(part)
    shares = cells / np.maximum(plan.spread(plan.sums(cells)), 1e-300)
    value = max(float(model.intercept + (shares * model.coefficients).sum()), 0.0)
    half = Z * math.sqrt(model.variance / n)
    usual = mean_of(baseline.profile.overall, "residual_absolute")
    yield subject.ok(ESTIMATED_MAE, value, n, interval=(max(0.0, value - half), value + half), baseline=usual)
    seen = part.flag("residuals")
    if seen < subject.settings.min_outcomes:
        reason = too_few(seen, subject.settings.min_outcomes, "outcomes")
        yield subject.not_measured(ESTIMATED_MAE_ERROR, reason, seen)
        return
    error = mean_of(part, "residual_absolute")
    if error is None:
        yield subject.not_measured(ESTIMATED_MAE_ERROR, OVERFLOW, seen)
        return
    gap = value - error
    half = Z * math.sqrt(model.variance / seen)
    yield subject.ok(ESTIMATED_MAE_ERROR, gap, seen, interval=(gap - half, gap + half), baseline=0.0)
