"""Metrics that applications send: levels, totals and increments of several instances become readings."""

import pytest
from pydantic import ValidationError

from monitor.gauges.metrics_endpoints import otlp_metrics
from monitor.gauges.metrics_endpoints.otlp_metrics import MetricsReceiver, OtlpMetrics, OtlpMetricsSettings
from monitor.gauges.reading import GaugeError, Quantity
from monitor.sources.otlp.data_points import DataPoint, PointKind

SERIES = (
    {"quantity": "queue_depth", "series": ["queue"], "resource": "queue:{shard}"},
    {"quantity": "requests", "series": ["calls"], "resource": "calls"},
    {"quantity": "failed_requests", "series": ["calls"], "resource": "calls", "match": {"code": "5.."}},
    {"quantity": "used_share", "series": ["cache.used"], "total": "cache.size", "resource": "cache"},
    {"quantity": "request_seconds", "series": ["took_sum"], "resource": "calls", "scale": 0.001},
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def gauge(clock: Clock | None = None, **more: object) -> OtlpMetrics:
    return OtlpMetrics(OtlpMetricsSettings.model_validate({"series": SERIES, **more}), clock or Clock())


def point(
    name: str, value: float, kind: PointKind = PointKind.LEVEL, time: int = 0, **labels: str
) -> DataPoint:
    return DataPoint(name, labels, value, kind, time)


def figures(of: OtlpMetrics) -> dict[tuple[Quantity, str], float]:
    return {(one.quantity, one.resource): one.value for one in of.read()}


def test_levels_of_instances_are_added_up_and_the_last_counts() -> None:
    made = gauge()
    made.receive([point("queue", 9, pod="a", shard="1"), point("queue", 4, pod="a", shard="1")])
    made.receive(
        [point("queue", 2, pod="b", shard="1"), point("queue", 1, pod="b", shard="2"), point("x", 1)]
    )
    made.receive([point("cache.used", 30), point("cache.size", 120)])
    assert figures(made) == {
        (Quantity.QUEUE_DEPTH, "queue:1"): 6.0,
        (Quantity.QUEUE_DEPTH, "queue:2"): 1.0,
        (Quantity.USED_SHARE, "cache"): 0.25,
    }


def test_totals_and_increments_are_counted_once_although_they_are_sent_again() -> None:
    made, requests = gauge(), (Quantity.REQUESTS, "calls")
    made.receive(
        [
            point("calls", 100, PointKind.TOTAL, 10, pod="a"),
            point("calls", 5, PointKind.INCREMENT, 10, pod="d"),
        ]
    )
    assert figures(made)[requests] == 5  # nobody knows since when the hundred were counted
    again = [
        point("calls", 130, PointKind.TOTAL, 20, pod="a"),
        point("calls", 7, PointKind.INCREMENT, 20, pod="d"),
    ]
    made.receive(again)
    made.receive(again)
    made.receive([point("calls", 120, PointKind.TOTAL, 15, pod="a")])  # overtaken
    assert figures(made)[requests] == 37
    made.receive(
        [
            point("calls", 4, PointKind.TOTAL, 30, pod="a", code="500"),
            point("calls", 3, PointKind.TOTAL, 30, pod="a"),
        ]
    )
    assert figures(made)[requests] == 3  # it was started again
    made.receive([point("calls", 9, PointKind.TOTAL, 40, pod="a", code="500")])
    assert figures(made) == {requests: 5.0, (Quantity.FAILED_REQUESTS, "calls"): 5.0}


def test_an_instance_that_is_gone_takes_nothing_away_and_silence_is_told() -> None:
    clock = Clock()
    made = gauge(clock)
    made.receive([point("queue", 5, pod="a"), point("calls", 10, PointKind.TOTAL, 1, pod="a")])
    made.receive([point("calls", 25, PointKind.TOTAL, 2, pod="a")])
    clock.now = otlp_metrics.STALE_AFTER - 1
    made.receive([point("queue", 2, pod="b"), point("calls", 3, PointKind.TOTAL, 1, pod="b")])
    found = figures(made)
    assert (found[Quantity.QUEUE_DEPTH, "queue:"], found[Quantity.REQUESTS, "calls"]) == (7.0, 15.0)
    clock.now += 2
    assert figures(made)[Quantity.QUEUE_DEPTH, "queue:"] == 2.0
    clock.now += otlp_metrics.STALE_AFTER + 1
    with pytest.raises(GaugeError, match="no metrics were received"):
        made.read()


def test_other_programs_are_left_out_and_too_many_series_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = gauge(select={"service.name": "ranker"})
    made.receive(
        [
            DataPoint("queue", {"service.name": "x"}, 3, PointKind.LEVEL),
            DataPoint("queue", {"service.name": "ranker"}, 2, PointKind.LEVEL),
        ]
    )
    assert list(figures(made).values()) == [2.0]
    monkeypatch.setattr(otlp_metrics, "MOST_SERIES", 2)
    full = gauge()
    assert full.receive([point("queue", 1, shard=str(n)) for n in range(5)]) == 3
    assert full.receive([point("queue", 1, shard="0")]) == 0


def test_a_key_of_a_client_reaches_the_gauges_of_this_client_only() -> None:
    mine, other = gauge(client="acme", model="m"), gauge(client="umbrella", model="m")
    receiver = MetricsReceiver([mine, other])
    assert receiver.receive([point("queue", 1)], "acme") == (0, "")
    assert figures(mine)
    with pytest.raises(GaugeError):
        other.read()
    count, reason = receiver.receive([point("queue", 1)], "nobody")
    assert (count, "OTEL_METRICS_EXPORTER=none" in reason) == (1, True)


def test_the_code_of_a_last_error_is_no_metric_of_an_application() -> None:
    with pytest.raises(ValidationError, match="for metrics endpoints only"):
        gauge(series=[{"quantity": "gpu_faults", "series": ["x"], "is_last_error": True}])
