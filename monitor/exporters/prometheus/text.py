"""Writes samples as Prometheus' text format or as OpenMetrics.

The part of a line before its value is cached between scrapes: the client library's encoder creates objects and sorts
labels for each sample. Tests compare both formats with that encoder, byte for byte.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as LibraryMetric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from monitor.exporters.samples import Exemplar, HistogramSample, Metric, Sample, SampleSet

_OPEN_METRICS = "openmetrics"
_HEADS = 32_768
_ENDINGS = {"counter": "_total", "info": "_info"}
_number: Callable[[float], str] = floatToGoString
_bound = lru_cache(_number)


def encode(samples: SampleSet, accept: str, own: Iterable[LibraryMetric] = ()) -> tuple[bytes, str]:
    """The text and its content type for an `Accept` header; `own` are metrics of the client library, written last."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(own))
    encoder, kind = _encoder(accept)
    return text(samples, open_metrics=_OPEN_METRICS in kind).encode() + encoder(registry), kind


def wants_exemplars(accept: str) -> bool:
    """Whether the format for this `Accept` header has exemplars."""
    return _OPEN_METRICS in _encoder(accept)[1]


def text(samples: SampleSet, *, open_metrics: bool) -> str:
    """All samples in either format, without an end marker."""
    return "".join(_lines(samples, open_metrics=open_metrics))


class _Families(Collector):
    def __init__(self, families: Iterable[LibraryMetric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[LibraryMetric]:
        return self._families


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    # Our names need no escaping; only `dots` would change them, and scrapers accept the format of the response.
    return choose_encoder(accept.replace("escaping=dots", "escaping=underscores"))


def _lines(samples: SampleSet, *, open_metrics: bool) -> Iterator[str]:
    for metric, of_metric in samples.by_metric():
        name, kind = (metric.name, metric.kind) if open_metrics else _plain(metric)
        yield f"# HELP {name} {_escaped(metric.help, quotes=open_metrics)}\n# TYPE {name} {kind}\n"
        name = metric.name + _ENDINGS.get(metric.kind, "")
        if metric.kind == "histogram":
            for sample in of_metric:
                assert isinstance(sample, HistogramSample)
                yield from _histogram(sample, _time(sample.time, open_metrics=open_metrics))
        else:
            labels = metric.labels
            yield from [
                f"{_head(name, labels, values)} {_number(value)}{_time(time, open_metrics=open_metrics)}\n"
                if time is not None
                else f"{_head(name, labels, values)} {_number(value)}\n"
                for _, values, value, time in cast("Sequence[Sample]", of_metric)
            ]


def _histogram(sample: HistogramSample, at: str) -> Iterator[str]:
    name, labels, values = sample.metric.name, sample.metric.labels, sample.values
    for bound, count, exemplar in sample.buckets:
        head = _head(f"{name}_bucket", (*labels, "le"), (*values, _bound(bound)))
        yield f"{head} {_number(count)}{at}{_exemplar(exemplar)}\n"
    yield f"{_head(f'{name}_count', labels, values)} {_number(sample.buckets[-1].cumulative)}{at}\n"
    yield f"{_head(f'{name}_sum', labels, values)} {_number(sample.sum)}{at}\n"


def _plain(metric: Metric) -> tuple[str, str]:
    """Name and type in Prometheus' own format, which has no info type and names counters with their suffix."""
    return metric.name + _ENDINGS.get(metric.kind, ""), "gauge" if metric.kind == "info" else metric.kind


@lru_cache(maxsize=_HEADS)
def _head(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """A sample's name and labels, before its value."""
    pairs = sorted(zip(labels, values, strict=True))
    return f"{name}{{{_labels(pairs)}}}" if pairs else name


def _time(time: float | None, *, open_metrics: bool) -> str:
    """A sample's time, in seconds (OpenMetrics) or milliseconds (Prometheus' own format)."""
    if time is None:
        return ""
    return f" {time}" if open_metrics else f" {int(time * 1000)}"


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str, *, quotes: bool = True) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n")
    return escaped.replace('"', r"\"") if quotes else escaped


def _exemplar(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    at = "" if exemplar.time is None else f" {exemplar.time}"
    return f" # {{{_labels(exemplar.labels)}}} {_number(exemplar.value)}{at}"
