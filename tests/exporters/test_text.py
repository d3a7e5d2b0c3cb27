"""Our lines are those of Prometheus' own encoder, byte for byte, in both formats."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric as LibraryMetric
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics
from prometheus_client.samples import Exemplar

from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.prometheus.text import encode
from monitor.exporters.samples import Bucket, Metric, Sample, SampleSet
from monitor.exporters.samples import Exemplar as OurExemplar

ODD = 'a "quoted"\\back\nline, ü'
VALUES = (0.1, 3.0, 1e7, 1234567.0, 2.5e-9, float("inf"), float("-inf"), float("nan"), 12, -4.0)


class _Families:
    def __init__(self, families: list[LibraryMetric]) -> None:
        self.collect = lambda: families


def _both(exemplar: Exemplar | None) -> tuple[SampleSet, _Families]:
    """The same samples, put into a samples and into families of the library."""
    samples, found = SampleSet(BY_NAME, 1000), []
    for name, kind in (
        ("watchkeeper_feature_drift_score", GaugeMetricFamily),
        ("watchkeeper_predictions", CounterMetricFamily),
    ):
        family = kind(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
        for number, value in enumerate(VALUES):
            own = [ODD, str(number), *("x" for _ in BY_NAME[name].labels[2:])]
            samples.put(name, own, value)
            family.add_metric(own, value)
        found.append(family)
    name = "watchkeeper_prediction_duration_seconds"
    theirs: list[Any] = [("0.1", 1.0, None), ("2.5", 4.0, exemplar), ("+Inf", 9.0)]
    ours = exemplar and OurExemplar(tuple(exemplar.labels.items()), exemplar.value, exemplar.timestamp)
    buckets = [Bucket(0.1, 1.0), Bucket(2.5, 4.0, ours), Bucket(math.inf, 9.0)]
    own = ["acme", "production", "fraud", ODD]
    samples.put_histogram(name, own, buckets, 12.75)
    histogram = HistogramMetricFamily(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
    histogram.add_metric(own, buckets=theirs, sum_value=12.75)
    name = "watchkeeper_build"
    samples.put(name, ["1.2.3"], 1)
    info = InfoMetricFamily(name, BY_NAME[name].help)
    info.add_metric([], {BY_NAME[name].labels[0]: "1.2.3"})
    samples.put("watchkeeper_store_size_bytes", [], 4096.0)
    size = GaugeMetricFamily("watchkeeper_store_size_bytes", BY_NAME["watchkeeper_store_size_bytes"].help)
    size.add_metric([], 4096.0)
    return samples, _Families([*found, histogram, info, size])


@pytest.mark.parametrize(
    ("accept", "theirs"),
    [
        ("text/plain;version=0.0.4", generate_latest),
        ("application/openmetrics-text; version=1.0.0", open_metrics),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", open_metrics),
    ],
)
def test_samples_read_as_the_library_writes_it(accept: str, theirs: Callable[[object], bytes]) -> None:
    exemplar = Exemplar({"prediction_id": ODD}, 0.3, 17.5) if "openmetrics" in accept else None
    samples, families = _both(exemplar)
    body, kind = encode(samples, accept)
    assert body == theirs(families)
    assert kind == choose_encoder(accept)[1]


def test_a_scraper_that_asks_for_dots_is_told_that_it_gets_underscores() -> None:
    samples, families = _both(None)
    body, kind = encode(samples, "application/openmetrics-text;version=1.0.0;escaping=dots")
    assert kind.endswith("escaping=underscores")
    assert body == open_metrics(families)


def test_the_daemon_s_own_meters_stand_last_and_the_end_once() -> None:
    samples, _ = _both(None)
    own = GaugeMetricFamily("watchkeeper_own", "Own.", value=1.0)
    body, _ = encode(samples, "application/openmetrics-text;version=1.0.0", [own])
    assert body.endswith(b"watchkeeper_own 1.0\n# EOF\n")
    assert body.count(b"# EOF") == 1


@pytest.mark.parametrize(
    ("accept", "theirs"),
    [("text/plain", generate_latest), ("application/openmetrics-text; version=1.0.0", open_metrics)],
)
def test_the_time_of_a_sample_is_written_as_the_library_writes_it(
    accept: str, theirs: Callable[[object], bytes]
) -> None:
    metric = Metric("watchkeeper_seen_seconds", "gauge", ("model",), "Seen.")
    samples = SampleSet({metric.name: metric}, 10)
    samples.add(Sample(metric, ("fraud",), 2.5, 1_795_435_200.25))
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    family.add_metric(["fraud"], 2.5, timestamp=1_795_435_200.25)
    assert encode(samples, accept)[0] == theirs(_Families([family]))
    assert metric.unit == "seconds"


@given(st.lists(st.sampled_from(("watchkeeper_predictions", "watchkeeper_prediction_duration_seconds"))))
def test_no_more_series_than_the_limit_and_the_others_are_counted(names: list[str]) -> None:
    samples, series = SampleSet(BY_NAME, 12), 0
    for name in names:
        values = ["" for _ in BY_NAME[name].labels]
        if BY_NAME[name].kind == "histogram":
            samples.put_histogram(name, values, [Bucket(1.0, 0), Bucket(math.inf, 0)], 0.0)
            series += 4
        else:
            samples.put(name, values, 1)
            series += 1
    lines = [line for line in encode(samples, "")[0].decode().splitlines() if not line.startswith("#")]
    assert len(lines) <= 12
    assert len(lines) + sum(samples.dropped.values()) == series
