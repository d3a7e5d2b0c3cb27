"""What a daemon exports at one moment: to Prometheus, and over OTLP."""

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from monitor.app import App
from monitor.exporters.push import otlp
from monitor.exporters.push.intervals import Intervals


def series_of(exposition: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """The samples of `/metrics` by name and labels."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            key = frozenset((name, value) for name, value in sample.labels.items() if value)
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def over_otlp(app: App) -> ExportMetricsServiceRequest:
    """What the exporter sends of the same moment."""
    collected = app.application.state["collector"].collect().by_metric()
    points = Intervals("cumulative").points((one for _, some in collected for one in some), app.clock.now())
    route: Any = None  # nothing is sent anywhere
    target = otlp.OtlpTarget("", "cumulative", {}, {}, route, 1.0)
    return ExportMetricsServiceRequest.FromString(otlp.encode(points, target, "here"))
