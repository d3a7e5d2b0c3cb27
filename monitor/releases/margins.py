"""How much worse a candidate may be than its baseline at the gate, metric by metric."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.errors import InputError
from monitor.health.targets import is_least

_LEAST_OF_DEFAULT = 0.25
"""A target that the baseline just meets, or misses, leaves at least this part of the usual margin: a margin of zero
could never be kept with certainty."""


@dataclass(frozen=True, slots=True)
class Margin:
    """`absolute` in the unit of the metric, or as a share of the baseline's value if `is_relative`. `source` says where
    it comes from.
    """

    size: float
    is_relative: bool = False
    source: str = "default"

    def at(self, baseline: float) -> float:
        """The margin in the unit of the metric."""
        return self.size * abs(baseline) if self.is_relative else self.size


DEFAULTS: Mapping[str, Margin] = {
    "accuracy": Margin(0.02),
    "balanced_accuracy": Margin(0.02),
    "precision": Margin(0.02),
    "recall": Margin(0.02),
    "f1": Margin(0.02),
    "roc_auc": Margin(0.02),
    "expected_calibration_error": Margin(0.03),
    "brier_score": Margin(0.02),
    "error_rate": Margin(0.01),
    "automation_rate": Margin(0.02),
    "log_loss": Margin(0.1, is_relative=True),
    "mae": Margin(0.05, is_relative=True),
    "rmse": Margin(0.05, is_relative=True),
    "mape": Margin(0.05, is_relative=True),
    "cost_per_prediction": Margin(0.1, is_relative=True),
    "latency_mean": Margin(0.2, is_relative=True),
    "latency_p50": Margin(0.2, is_relative=True),
    "latency_p90": Margin(0.2, is_relative=True),
    "latency_p95": Margin(0.2, is_relative=True),
    "latency_p99": Margin(0.2, is_relative=True),
}


def parse(texts: Mapping[str, str | float]) -> dict[str, Margin]:
    """Margins from `{"accuracy": 0.01, "latency_p95": "15%"}`. A percentage of a share is points (`1%` is 0.01); of
    every other metric, it is relative to the baseline.

    Raises:
        InputError: a metric is not one that a gate compares, or a margin is no number of at least 0.
    """
    return {name: _parsed(name, text) for name, text in texts.items()}


def _parsed(name: str, text: str | float) -> Margin:
    if name not in DEFAULTS:
        raise InputError(f"a gate does not compare {name!r}", hint=f"it compares {', '.join(DEFAULTS)}")
    written = str(text).strip()
    try:
        size = float(written.removesuffix("%"))
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise InputError(
            f"the margin {written!r} of {name} is not a number of at least 0", hint="use 0.01 or 1%"
        )
    if not written.endswith("%"):
        return Margin(size, source="given")
    is_share = not DEFAULTS[name].is_relative
    return Margin(size / 100, is_relative=not is_share, source="given")


def margin_of(
    name: str, given: Mapping[str, Margin], targets: Mapping[str, float], baseline: float
) -> Margin:
    """The margin of a metric: the given one, else the default, but no more than what the baseline's value is better
    than the agreed target.
    """
    if name in given:
        return given[name]
    usual = DEFAULTS[name]
    if name not in targets:
        return usual
    least = is_least(name)
    room = baseline - targets[name] if least else targets[name] - baseline
    size = usual.at(baseline)
    if room >= size:
        return usual
    return Margin(max(room, _LEAST_OF_DEFAULT * size), source="agreed target")
