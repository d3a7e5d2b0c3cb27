"""The metrics in which sudden declines are detected, as sums of good outcomes at their arrival."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.metrics.metric import MetricInfo
from monitor.metrics.quality.calibration_error import bias_of
from monitor.records import Better
from monitor.windows.profile import Slice

DECLINE_EVIDENCE = MetricInfo(
    "decline_evidence", "of the limit", Better.LOWER,
    "Evidence that a metric has suddenly become worse, in multiples of the limit: significant from 1 on.",
    ("of",), "e-detector on the outcomes of each half minute by arrival, see docs/alert-quality.md",
    "a metric with 300 past outcomes, or a baseline",
)  # fmt: skip
INFO = (DECLINE_EVIDENCE,)
Sums = tuple[float, float]
"""The sum of good outcomes (for a mean: of values, signed so that more is better), and their number."""


@dataclass(frozen=True, slots=True)
class Declining:
    """A watched metric: how to sum it, whether it is a share, and whether more of it is better.

    With `needs`, it is watched once that flag was counted. `spread` is the metric with the root mean square of the same
    values, from which the standard deviation of one value follows. `squares` sums the squares of the truths, if errors
    grow with them.
    """

    metric: str
    sums: Callable[[Slice], Sums]
    is_share: bool = True
    is_least: bool = True
    needs: str = ""
    spread: str = ""
    squares: Callable[[Slice], float] | None = None
    compares: bool = False
    """Whether answers are compared with truths, which says nothing of answers that order rows."""

    def good(self, value: float) -> float:
        """A value of the metric as a mean of good outcomes."""
        if self.is_least:
            return value
        return 1.0 - value if self.is_share else -value


def _accuracy(part: Slice) -> Sums:
    return part.flag("right"), part.flag("classed")


def _automation(part: Slice) -> Sums:
    return part.flag("automated"), part.flag("automated_known")


def _reviews(part: Slice) -> Sums:
    """Predictions without a report count as not reviewed, as in `review_rate`."""
    return max(part.rows - part.flag("reviewed"), 0.0), float(part.rows)


def _feedback(part: Slice) -> Sums:
    tally = part.tally("feedback")
    return sum(float(label) * count for label, count in tally.items()), sum(tally.values())


def _calibration(part: Slice) -> Sums:
    bias, n = bias_of(part)
    return -bias * n, n


def _errors(part: Slice) -> Sums:
    return -part.total("residual_absolute"), part.flag("residuals")


def _truths_squared(part: Slice) -> float:
    return part.total("truth_squared")


WATCHED: Mapping[str, Declining] = {
    one.metric: one
    for one in (
        Declining("accuracy", _accuracy, compares=True),
        Declining("automation_rate", _automation),
        Declining("review_rate", _reviews, is_least=False, needs="reviewed_known"),
        Declining("satisfaction", _feedback, is_share=False),
        Declining("confidence_bias", _calibration, is_share=False, is_least=False, compares=True),
        Declining(
            "mae",
            _errors,
            is_share=False,
            is_least=False,
            spread="rmse",
            squares=_truths_squared,
            compares=True,
        ),
    )
}
"""One line per watched metric."""
