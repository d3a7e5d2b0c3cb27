"""What is counted of scores: alerts of an anomaly detector, and risks of a survival model.

All are counted as own metrics, whose names begin with a prefix that none of one's own can have. Rows of a kind are
counted in buckets of their score, which are 2 % wide; a row of another kind divides by zero, which sets it aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.expressions.expression import compile_expression
from monitor.records import Better
from monitor.windows.declared.custom_metric import CustomMetric

ANOMALY, SURVIVAL = "anomaly.", "survival."
ALERTS, PRECISION, SCORES, TRUE_SCORES = (
    f"{ANOMALY}{name}" for name in ("alert_rate", "alert_precision", "scores", "true_scores")
)
EVENTS, SURVIVORS = f"{SURVIVAL}events:", f"{SURVIVAL}survivors:"
"""Before a horizon."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """See `monitor.health.declared.score_settings`, which describes each setting."""

    threshold: float | None = None
    k: int = 100
    score: str = ""
    anomaly: str = "true"


@dataclass(frozen=True, slots=True)
class Survival:
    """See `monitor.health.declared.score_settings`, which describes each setting."""

    horizons: tuple[float, ...] = ()
    risk: str = ""


def of_anomalies(anomaly: Anomaly) -> list[CustomMetric]:
    """The figures to count of an anomaly detector."""
    return [_metric(name, text) for name, text in _of_anomalies(anomaly)]


def _of_anomalies(anomaly: Anomaly) -> Iterator[tuple[str, str]]:
    score = _column(anomaly.score)
    # A flag is written as true, and equals 1.
    words = repr(anomaly.anomaly) + (", 1" if anomaly.anomaly == "true" else "")
    is_true, threshold = f"truth in ({words},)", repr(float(anomaly.threshold or 0.0))
    yield ALERTS, f"share({score} >= {threshold})"
    yield PRECISION, f"count({score} >= {threshold} and {is_true}) / count({score} >= {threshold})"
    yield SCORES, f"quantile({score} / (truth is not None), 0.5)"
    yield TRUE_SCORES, f"quantile({score} / ({is_true}), 0.5)"


def of_survival(survival: Survival) -> list[CustomMetric]:
    """The figures to count of a survival model."""
    risk = _column(survival.risk)
    return [
        _metric(f"{kind}{horizon:g}", f"quantile({risk} / ({holds}), 0.5)")
        for horizon in survival.horizons
        for kind, holds in (
            (EVENTS, f"truth >= 0 and truth <= {float(horizon)!r}"),
            (SURVIVORS, f"abs(truth) > {float(horizon)!r}"),
        )
    ]


def _metric(name: str, text: str) -> CustomMetric:
    return CustomMetric(name, compile_expression(text), "", Better.NONE)


def _column(feature: str) -> str:
    return f"features[{feature!r}]" if feature else "prediction"
