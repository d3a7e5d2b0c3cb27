"""How far estimates of quality were from what was measured later: whether they can be trusted."""

from collections.abc import Iterator

from monitor.metrics.estimated import cbpe, dle
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quality.regression import mean_of
from monitor.records import Better, Measurement, labels

ESTIMATE_GAP = MetricInfo(
    "estimate_gap", "share", Better.NONE,
    "Estimate minus the measured value: in points for the accuracy, relative to the measured value for the mean "
    "absolute error.",
    ("estimate",), "estimated_accuracy_error, or estimated_mae_error / mae, with their intervals; `estimate` is "
    "`accuracy` or `mae`",
    "outcomes with `truth`; see `estimated_accuracy` and `estimated_mae`",
)  # fmt: skip
INFO = (ESTIMATE_GAP,)


def measure(subject: Subject) -> Iterator[Measurement]:
    """The gaps of the accuracy and of the mean absolute error, as far as they are estimated."""
    part = subject.profile.overall
    accuracy, mae = cbpe.error_of(subject), dle.error_of(subject)
    if accuracy is not None:
        yield _gap(subject, "accuracy", accuracy, 1.0)
    if mae is not None:
        yield _gap(subject, "mae", mae, mean_of(part, "residual_absolute") or 0.0)


def _gap(subject: Subject, estimate: str, error: Measurement, relative_to: float) -> Measurement:
    where = labels(estimate=estimate)
    if error.value is None or error.low is None or error.high is None:
        return subject.not_measured(ESTIMATE_GAP, error.reason, error.n, where=where)
    if relative_to <= 0:
        reason = "all answers with a known truth are exact"
        return subject.not_measured(ESTIMATE_GAP, reason, error.n, where=where)
    interval = (error.low / relative_to, error.high / relative_to)
    value = error.value / relative_to
    return subject.ok(ESTIMATE_GAP, value, error.n, where=where, interval=interval, baseline=0.0)
