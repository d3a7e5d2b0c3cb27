"""Samples of metrics as frozen records, independent of a format.

The collector puts them into a `SampleSet`; each exporter writes its format from it, such as Prometheus' text in
`exporters/prometheus/text.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

_UNITS = ("seconds", "bytes", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `name` is without suffixes that a format adds (`_total`, `_bucket`); `labels` are the label names."""

    name: str
    kind: Literal["gauge", "counter", "histogram", "info"]
    labels: tuple[str, ...]
    help: str

    @property
    def unit(self) -> str:
        """The unit, which by Prometheus' convention is the suffix of the name; empty for counts and scores."""
        last = self.name.rpartition("_")[2]
        return last if last in _UNITS else ""


class Exemplar(NamedTuple):
    """One event that was counted in a bucket: sorted (name, value) labels, its value, and its time."""

    labels: tuple[tuple[str, str], ...]
    value: float
    time: float | None = None


class Bucket(NamedTuple):
    """The number of values up to `bound` (the last bound is infinite)."""

    bound: float
    cumulative: float
    exemplar: Exemplar | None = None


class Sample(NamedTuple):
    """One value of a gauge, counter or info (always 1). `values` are those of the metric's labels, in order; `time` is
    in seconds since the epoch, None for now.
    """

    metric: Metric
    values: tuple[str, ...]
    value: float
    time: float | None = None


class HistogramSample(NamedTuple):
    """One histogram: cumulative counts, and the sum of all values."""

    metric: Metric
    values: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    sum: float
    time: float | None = None


class SampleSet:
    """The samples of one scrape by metric: known metrics only, and at most `limit` series."""

    def __init__(self, metrics: Mapping[str, Metric], limit: int) -> None:
        self._metrics = metrics
        self._samples: defaultdict[str, list[Sample | HistogramSample]] = defaultdict(list)
        self._left = limit
        self.dropped: dict[str, int] = {}

    def put(self, name: str, values: Sequence[str], value: float) -> None:
        """Add one sample of a gauge, counter or info.

        Raises:
            TypeError, ValueError: the value is no number; written later, it would cost all other samples too.
        """
        if self._left:  # `add` inlined: a scrape has tens of thousands of samples
            self._left -= 1
            self._samples[name].append(Sample(self._metrics[name], tuple(values), float(value)))
        else:
            self.drop(name, 1)

    def put_histogram(
        self, name: str, values: Sequence[str], buckets: Sequence[Bucket], total: float
    ) -> None:
        """Add one histogram; `total` is the sum of its values."""
        self.add(HistogramSample(self._metrics[name], tuple(values), tuple(buckets), total))

    def add(self, sample: Sample | HistogramSample) -> None:
        """Add a sample, or count it as dropped if the limit is reached."""
        name = sample.metric.name
        series = 1 if isinstance(sample, Sample) else len(sample.buckets) + 2
        if self._left < series:
            self.drop(name, series)
        else:
            self._left -= series
            self._samples[name].append(sample)

    @property
    def is_full(self) -> bool:
        """Whether no further series has room."""
        return self._left == 0

    def close(self) -> None:
        """Take no further series: there is no more time."""
        self._left = 0

    def drop(self, name: str, series: int) -> None:
        """Count dropped series."""
        if series:
            self.dropped[name] = self.dropped.get(name, 0) + series

    def by_metric(self) -> Iterable[tuple[Metric, Sequence[Sample | HistogramSample]]]:
        """Each metric with its samples, in the order of their first sample."""
        for name, samples in self._samples.items():
            yield self._metrics[name], samples
