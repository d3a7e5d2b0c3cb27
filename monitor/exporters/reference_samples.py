"""Samples of a model's further baselines; none if none is configured."""

from collections.abc import Sequence

from monitor.exporters.samples import SampleSet
from monitor.metrics import AGAINST, business
from monitor.metrics.drift.column_drift import DRIFTED_SHARE
from monitor.metrics.quality import classification, regression
from monitor.records import Measurement, labels

FIGURES = frozenset(
    {
        "throughput",
        "latency_p95",
        "error_rate",
        "confidence_mean",
        *(info.name for module in (classification, regression, business) for info in module.INFO),
    }
)
METHODS = ("psi", "jensen_shannon")


def write(samples: SampleSet, b: list[str], measured: Sequence[Measurement]) -> None:
    """The values of the season and the previous version, and the distances from them; `b` are client, environment,
    model.
    """
    for one in measured:
        against = one.label(AGAINST)
        if not against:
            continue
        if one.labels == labels(against=against):
            if one.metric in FIGURES and one.baseline is not None:
                samples.put("watchkeeper_compared_value", [*b, against, one.metric], one.baseline)
            elif one.metric == DRIFTED_SHARE.name and one.value is not None:
                samples.put("watchkeeper_compared_drifted_features_ratio", [*b, against], one.value)
        elif (
            one.labels == labels(against=against, output="prediction")
            and one.metric in METHODS
            and one.value is not None
        ):
            samples.put("watchkeeper_compared_prediction_drift_score", [*b, against, one.metric], one.value)
