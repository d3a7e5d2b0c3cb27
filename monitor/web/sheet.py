"""Samples on their way to Prometheus: gathered by metric, capped, and told apart by the names that are known."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar

from monitor.web.names import BY_NAME, Exported

Bucket = tuple[str, float] | tuple[str, float, Exemplar | None]
"""Upper bound, cumulative count, and one value that fell into the bucket."""


class Sheet:
    """One answer to a scrape. Only names that are known can be written, and no more series than allowed."""

    def __init__(self, most: int) -> None:
        self._families: dict[str, Metric] = {}
        self._left = most
        self.dropped: dict[str, int] = {}

    def put(self, name: str, values: Sequence[str], value: float) -> None:
        """One sample of a gauge or counter; `values` are its labels' values in the order of `names`."""
        if self._takes(name, 1):
            self._family(name).add_metric(values, value)  # type: ignore[attr-defined]

    def info(self, name: str, values: Sequence[str]) -> None:
        """One series of an info metric."""
        if self._takes(name, 1):
            labels = dict(zip(BY_NAME[name].labels, values, strict=True))
            self._family(name).add_metric([], labels)  # type: ignore[attr-defined]

    def histogram(self, name: str, values: Sequence[str], buckets: Sequence[Bucket], total: float) -> None:
        """One histogram: cumulative counts by upper bound (the last is `+Inf`), and the sum of the values."""
        if self._takes(name, len(buckets) + 2):
            self._family(name).add_metric(values, buckets=list(buckets), sum_value=total)  # type: ignore[attr-defined]

    def drop(self, name: str, series: int) -> None:
        """Say that series were left out."""
        if series:
            self.dropped[name] = self.dropped.get(name, 0) + series

    def families(self) -> Iterator[Metric]:
        """All that was written."""
        yield from self._families.values()

    def _takes(self, name: str, series: int) -> bool:
        if self._left < series:
            self.drop(name, series)
            return False
        self._left -= series
        return True

    def _family(self, name: str) -> Metric:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _made(BY_NAME[name])
        return family


def _made(exported: Exported) -> Metric:
    if exported.kind == "info":
        return InfoMetricFamily(exported.name, exported.help)
    if exported.kind == "histogram":
        return HistogramMetricFamily(exported.name, exported.help, labels=exported.labels)
    if exported.kind == "counter":
        return CounterMetricFamily(exported.name, exported.help, labels=exported.labels)
    return GaugeMetricFamily(exported.name, exported.help, labels=exported.labels)


def labelled(values: Mapping[str, str], exported: str) -> list[str]:
    """The values of a metric's labels, empty where there is none."""
    return [values.get(label, "") for label in BY_NAME[exported].labels]
