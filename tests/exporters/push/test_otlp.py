"""OTLP, read back with the official messages, and by strict stand-ins of the vendors."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from monitor.exporters.push.exporter import HttpExporterSettings
from monitor.exporters.push.otlp import OtlpSettings
from monitor.exporters.push.point import Point
from monitor.exporters.push.vendors import DatadogSettings, GrafanaCloudSettings, NewRelicSettings
from monitor.outgoing import CallBudget
from monitor.sources.otlp.data_points import DataPoint
from monitor.sources.otlp.protobuf import data_points
from tests.exporters.push.made import (
    DURATION,
    HOSTILE,
    INFINITE,
    NOW,
    PREDICTIONS,
    STATE,
    STREAM,
    Scene,
    counter,
    gauges,
    histogram,
    hostile,
    state,
)
from tests.support.metric_intakes import DELTA, OtlpIntake, metrics_of

NANO = 1_000_000_000


def otlp(intake: OtlpIntake, **more: Any) -> OtlpSettings:
    return OtlpSettings.model_validate({"url": f"{intake.url}/v1/metrics", **more})


def by_name(message: ExportMetricsServiceRequest) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics_of(message)}


def attributes(point: Any) -> dict[str, str]:
    return {one.key: one.value.string_value for one in point.attributes}


def test_names_kinds_labels_and_times_are_those_of_metrics() -> None:
    points = [
        Point(STATE, ("acme", "production", "fraud"), 2.0, NOW),
        Point(PREDICTIONS, (*STREAM, "7"), 5.0, NOW, NOW - 30),
        Point(PREDICTIONS, (*STREAM, ""), 1.0, NOW),
        Point(DURATION, (*STREAM, "7"), 6.0, NOW, NOW - 30, (0.1, 0.5, INFINITE), (1, 4, 6), 1.5),
    ]
    with OtlpIntake() as intake:
        exporter = otlp(intake, labels={"region": "eu"}, headers={"X-Scope": "1"}).make_exporter("host-1")
        assert exporter.send(points, CallBudget(5)).refused == 0
        exporter.close()
    (message,) = intake.accepted
    assert intake.requests[0].headers["X-Scope"] == "1"
    resource = attributes(message.resource_metrics[0].resource)
    assert (resource["service.name"], resource["service.instance.id"]) == ("watchkeeper", "host-1")
    found = by_name(message)
    assert list(found) == [
        "watchkeeper_model_state",
        "watchkeeper_predictions_total",
        "watchkeeper_prediction_duration_seconds",
    ]
    (gauge,) = found["watchkeeper_model_state"].gauge.data_points
    labels = {"region": "eu", "client": "acme", "environment": "production", "model": "fraud"}
    assert (gauge.as_double, gauge.time_unix_nano, attributes(gauge)) == (2.0, int(NOW) * NANO, labels)
    total = found["watchkeeper_predictions_total"].sum
    assert total.is_monotonic
    known, unknown = total.data_points
    assert known.start_time_unix_nano == (int(NOW) - 30) * NANO
    assert (unknown.start_time_unix_nano, "version" in attributes(unknown)) == (0, False)
    (spread,) = found["watchkeeper_prediction_duration_seconds"].histogram.data_points
    assert list(spread.bucket_counts) == [1, 3, 2]
    assert list(spread.explicit_bounds) == [0.1, 0.5]
    assert (spread.count, spread.sum) == (6, 1.5)
    assert found["watchkeeper_prediction_duration_seconds"].unit == "s"


def test_the_end_of_a_series_has_a_flag_and_numbers_that_are_none_are_left_out() -> None:
    with OtlpIntake() as intake:
        scene = Scene(otlp(intake))
        scene.pass_interval(state(1), state(float("nan"), "other"), state(-INFINITE, "third"))
        scene.pass_interval(state(1))
        scene.close()
    first, second = intake.accepted
    assert len(by_name(first)["watchkeeper_model_state"].gauge.data_points) == 1
    assert scene.counted == {"sent": 1 + 3, "refused": 2}
    flags = {
        attributes(p)["model"]: p.flags for p in by_name(second)["watchkeeper_model_state"].gauge.data_points
    }
    assert flags == {"fraud": 0, "other": 1, "third": 1}


def datadog(intake: OtlpIntake) -> HttpExporterSettings:
    intake.largest, intake.delta_only, intake.longest_value = 500_000, True, 200
    intake.key = ("dd-api-key", "K" * 32)
    return DatadogSettings.model_validate({"api_key": "K" * 32, "url": f"{intake.url}/v1/metrics"})


def newrelic(intake: OtlpIntake) -> HttpExporterSettings:
    intake.compressed, intake.longest_value, intake.key = 1_000_000, 4095, ("api-key", "L" * 40)
    return NewRelicSettings.model_validate({"api_key": "L" * 40, "url": f"{intake.url}/v1/metrics"})


def grafana(intake: OtlpIntake) -> HttpExporterSettings:
    intake.longest_value, intake.key = 2048, ("Authorization", "Basic MTIzOnRva2Vu")
    section = {"instance_id": "123", "token": "token", "url": f"{intake.url}/otlp"}
    return GrafanaCloudSettings.model_validate(section)


Vendor = Callable[[OtlpIntake], HttpExporterSettings]


@pytest.mark.parametrize("vendor", [datadog, newrelic, grafana])
def test_a_vendor_accepts_everything_whatever_labels_hold_and_however_much_it_is(vendor: Vendor) -> None:
    with OtlpIntake() as intake:
        scene = Scene(vendor(intake))
        exporter = scene.runner.settings.make_exporter("host-1")
        exporter.send([*hostile(), *gauges(100)], CallBudget(10))
        scene.pass_interval(counter(3), histogram((1, 4, 6), 1.5), *[state(1, f"m{n}") for n in range(5000)])
        scene.pass_interval(counter(10), histogram((1, 5, 9), 3.5))
        scene.close()
        exporter.close()
    sent = [
        attributes(p)["feature"]
        for p in by_name(intake.accepted[0])["watchkeeper_feature_state"].gauge.data_points
    ]
    assert len(set(sent)) == len(HOSTILE) + 100, "long names that begin alike stay two"
    assert "refused" not in scene.counted
    assert scene.counted["sent"] == 5002 + 2 + 5000, "the last are the ends of 5000 series"
    flags = {
        point.flags
        for message in intake.accepted
        for metric in metrics_of(message)
        if metric.HasField("gauge")
        for point in metric.gauge.data_points
    }
    assert flags == ({0, 1} if vendor is grafana else {0}), "a flag that is not known would be a zero"
    assert {request.path for request in intake.requests} <= {"/v1/metrics", "/otlp/v1/metrics"}
    is_delta = scene.runner.settings.make_exporter("x").temporality == "delta"
    totals = [
        found for message in intake.accepted for found in by_name(message).values() if found.HasField("sum")
    ]
    assert {one.sum.aggregation_temporality == DELTA for one in totals} == {is_delta}
    values = [point.as_double for one in totals for point in one.sum.data_points]
    assert values == ([3, 7] if is_delta else [3, 10])


def test_a_request_that_is_too_large_is_cut_until_it_fits() -> None:
    with OtlpIntake(largest=60_000) as intake:
        scene = Scene(otlp(intake))
        scene.pass_interval(*[state(1, f"m{n}") for n in range(1500)])
        scene.close()
    assert scene.counted == {"sent": 1500}
    assert len(intake.accepted) > 1


def test_points_that_are_refused_are_counted_and_not_sent_again() -> None:
    with OtlpIntake() as intake:
        intake.answer.partial_success.rejected_data_points = 2
        intake.answer.partial_success.error_message = "two\nare bad"
        scene = Scene(otlp(intake))
        scene.pass_interval(*[state(1, f"m{n}") for n in range(5)])
        scene.close()
    assert scene.counted == {"sent": 3, "refused": 2}


def test_watchkeeper_itself_reads_what_it_sends() -> None:
    """Its own decoder walks the bytes without the official messages."""
    with OtlpIntake() as intake:
        exporter = otlp(intake).make_exporter("host-1")
        exporter.send(gauges(3), CallBudget(5))
        exporter.close()
    read = list(data_points(intake.accepted[0].SerializeToString()))
    assert [one.value for one in read if isinstance(one, DataPoint)] == [0, 1, 2]
