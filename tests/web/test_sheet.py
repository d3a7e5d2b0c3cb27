"""Our lines are those of Prometheus' own encoder, byte for byte, in both formats."""

from collections.abc import Callable

import pytest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics
from prometheus_client.samples import Exemplar

from monitor.web.exposition import encode
from monitor.web.names import BY_NAME
from monitor.web.sheet import Bucket, Sheet

ODD = 'a "quoted"\\back\nline, ü'
VALUES = (0.1, 3.0, 1e7, 1234567.0, 2.5e-9, float("inf"), float("-inf"), float("nan"), 12, -4.0)


class _Families:
    def __init__(self, families: list[Metric]) -> None:
        self.collect = lambda: families


def _both(exemplar: Exemplar | None) -> tuple[Sheet, _Families]:
    """The same samples, put into a sheet and into families of the library."""
    sheet, found = Sheet(1000), []
    for name, kind in (
        ("watchkeeper_feature_drift_score", GaugeMetricFamily),
        ("watchkeeper_predictions", CounterMetricFamily),
    ):
        family = kind(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
        for number, value in enumerate(VALUES):
            own = [ODD, str(number), *("x" for _ in BY_NAME[name].labels[2:])]
            sheet.put(name, own, value)
            family.add_metric(own, value)
        found.append(family)
    name = "watchkeeper_prediction_duration_seconds"
    buckets: list[Bucket] = [("0.1", 1.0, None), ("2.5", 4.0, exemplar), ("+Inf", 9.0)]
    own = ["acme", "production", "fraud", ODD]
    sheet.histogram(name, own, buckets, 12.75)
    histogram = HistogramMetricFamily(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
    histogram.add_metric(own, buckets=list(buckets), sum_value=12.75)
    name = "watchkeeper_build"
    sheet.info(name, ["1.2.3"])
    info = InfoMetricFamily(name, BY_NAME[name].help)
    info.add_metric([], {BY_NAME[name].labels[0]: "1.2.3"})
    sheet.put("watchkeeper_store_size_bytes", [], 4096.0)
    size = GaugeMetricFamily("watchkeeper_store_size_bytes", BY_NAME["watchkeeper_store_size_bytes"].help)
    size.add_metric([], 4096.0)
    return sheet, _Families([*found, histogram, info, size])


@pytest.mark.parametrize(
    ("accept", "theirs"),
    [
        ("text/plain;version=0.0.4", generate_latest),
        ("application/openmetrics-text; version=1.0.0", open_metrics),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", open_metrics),
    ],
)
def test_a_sheet_reads_as_the_library_writes_it(accept: str, theirs: Callable[[object], bytes]) -> None:
    exemplar = Exemplar({"prediction_id": ODD}, 0.3, 17.5) if "openmetrics" in accept else None
    sheet, families = _both(exemplar)
    body, kind = encode(sheet, accept)
    assert body == theirs(families)
    assert kind == choose_encoder(accept)[1]


def test_a_scraper_that_asks_for_dots_is_told_that_it_gets_underscores() -> None:
    sheet, families = _both(None)
    body, kind = encode(sheet, "application/openmetrics-text;version=1.0.0;escaping=dots")
    assert kind.endswith("escaping=underscores")
    assert body == open_metrics(families)


def test_the_daemon_s_own_meters_stand_last_and_the_end_once() -> None:
    sheet, _ = _both(None)
    own = GaugeMetricFamily("watchkeeper_own", "Own.", value=1.0)
    body, _ = encode(sheet, "application/openmetrics-text;version=1.0.0", [own])
    assert body.endswith(b"watchkeeper_own 1.0\n# EOF\n")
    assert body.count(b"# EOF") == 1
