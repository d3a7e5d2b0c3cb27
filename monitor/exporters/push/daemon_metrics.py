"""The metrics that the daemon keeps with Prometheus' client library, as samples."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric as Family

from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.samples import Bucket, HistogramSample, Sample


@dataclass(slots=True)
class _HistogramParts:
    """The parts of one histogram, as the library lists them."""

    buckets: list[Bucket] = field(default_factory=list)
    sum: float = 0.0


def samples_of(families: Iterable[Family]) -> Iterable[Sample | HistogramSample]:
    """The samples of all families that `/metrics` declares."""
    for family in families:
        metric = BY_NAME.get(family.name)
        if metric is None:
            continue
        if metric.kind == "histogram":
            yield from _histograms(family)
            continue
        for sample in family.samples:
            values = tuple(sample.labels.get(name, "") for name in metric.labels)
            yield Sample(metric, values, float(sample.value))


def _histograms(family: Family) -> Iterable[HistogramSample]:
    metric = BY_NAME[family.name]
    parts: dict[tuple[str, ...], _HistogramParts] = {}
    for sample in family.samples:
        one = parts.setdefault(
            tuple(sample.labels.get(name, "") for name in metric.labels), _HistogramParts()
        )
        if sample.name.endswith("_bucket"):
            one.buckets.append(Bucket(float(sample.labels["le"]), float(sample.value)))
        elif sample.name.endswith("_sum"):
            one.sum = float(sample.value)
    for values, one in parts.items():
        yield HistogramSample(metric, values, tuple(one.buckets), one.sum)
