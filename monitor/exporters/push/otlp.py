"""OpenTelemetry metrics over HTTP: protobuf, gzip, totals or deltas.

The client, model and environment are attributes of the points, not of the resource: Prometheus and Datadog drop those
of the resource unless told otherwise. `opentelemetry-proto` is imported on first use.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal

from pydantic import Field

from monitor import __version__
from monitor.config.sections import Size, WholeNumber
from monitor.exporters.push.exporter import (
    Exporter,
    HttpExporterSettings,
    RequestTooLargeError,
    SendResult,
    ensure_no_page,
)
from monitor.exporters.push.intervals import UNKNOWN, Temporality
from monitor.exporters.push.point import Point
from monitor.exporters.push.text_values import fitted
from monitor.notify.addresses import SecretUrl
from monitor.notify.http import Http
from monitor.outgoing import CallBudget, OutgoingRoute
from monitor.sources.otlp.data_points import CUMULATIVE, DELTA
from monitor.visible import one_line

LARGEST = 4_000_000
"""Bytes of a request before compression, as collectors accept it by default."""
UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "": ""}
_NO_VALUE = 1
"""The flag of a point whose series has ended."""
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """An OTLP endpoint and what it accepts. `url` is that of the metrics, `labels` are added to each point, `seconds`
    bound a request, `largest` is in bytes before compression, `longest_value` in characters.
    """

    url: str
    temporality: Temporality
    headers: Mapping[str, str]
    labels: Mapping[str, str]
    route: OutgoingRoute
    seconds: float
    largest: int = LARGEST
    longest_value: int = 4095
    system: str = "OTLP"
    """What messages call it."""
    tells_ends: bool = True
    """Whether it knows the flag of a series that has ended; otherwise such points could be taken for zeros."""


class OtlpSettings(HttpExporterSettings):
    """OpenTelemetry metrics over HTTP: a collector, Prometheus 3, Grafana Mimir, and what else accepts OTLP."""

    kind: Literal["otlp"] = "otlp"
    """OpenTelemetry metrics over HTTP."""
    url: SecretUrl
    """URL of the endpoint for metrics, such as http://collector:4318/v1/metrics."""
    temporality: Temporality = "cumulative"
    """`cumulative` (totals, for Prometheus and all that is built like it) or `delta`."""
    largest: Size = Field(default=LARGEST, ge=10_000)
    """Largest request in bytes before compression."""
    longest_value: WholeNumber = Field(default=4095, ge=32)
    """Characters of an attribute's value; longer ones are cut and end in a digest."""

    @property
    def address(self) -> str:
        """The URL."""
        return self.url.get_secret_value()

    def make_exporter(self, instance: str) -> Exporter:
        """A connection."""
        target = OtlpTarget(
            self.address,
            self.temporality,
            self.given_headers(),
            self.labels,
            self.route,
            self.timeout,
            self.largest,
            self.longest_value,
        )
        return Otlp(target, instance)


class Otlp:
    """Posts points to one endpoint."""

    most_points = 2_000

    def __init__(self, target: OtlpTarget, instance: str) -> None:
        self.temporality = target.temporality
        self._target, self._instance = target, instance
        self._http = Http(target.system, target.route, target.seconds)
        self._headers = {
            "Content-Encoding": "gzip",
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"watchkeeper/{__version__}",
            **target.headers,
        }

    def send(self, points: Sequence[Point], budget: CallBudget) -> SendResult:
        """Post one request. Infinite and NaN values are left out, and counted as refused: few receivers accept them.

        Raises:
            RequestTooLargeError: the body has more than `largest` bytes.
            AttemptError: no response, or one that is no answer to OTLP.
        """
        ends = self._target.tells_ends
        shown = [point for point in points if point.is_finite or (point.is_end and ends)]
        infinite = sum(not point.is_finite and not point.is_end for point in points)
        if not shown:
            return SendResult(infinite, "no value is a finite number" if infinite else "nothing to send")
        body = encode(shown, self._target, self._instance)
        if len(body) > self._target.largest:
            raise RequestTooLargeError
        compressed = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        answer = self._http.post(self._target.url, compressed, self._headers, budget)
        ensure_no_page(self._target.system, answer)
        refused, reason = _partial_success(answer.content)
        return SendResult(infinite + refused, reason or f"answered {answer.status_code}")

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def encode(points: Sequence[Point], target: OtlpTarget, instance: str) -> bytes:
    """An ExportMetricsServiceRequest."""
    protocol = _messages()
    request = protocol.ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    named = {"service.name": "watchkeeper", "service.version": __version__, "service.instance.id": instance}
    _attributes(of_resource.resource.attributes, named, target.longest_value)
    scope = of_resource.scope_metrics.add()
    scope.scope.name, scope.scope.version = "watchkeeper", __version__
    metrics: dict[str, Any] = {}
    for point in points:
        if point.is_end and target.temporality == "delta" and point.metric.kind in ("counter", "histogram"):
            continue  # nothing was counted, and no total is remembered
        if point.name not in metrics:
            metrics[point.name] = _metric(scope.metrics.add(), point, target.temporality)
        data = metrics[point.name].data_points.add()
        data.time_unix_nano = _nanoseconds(point.time)
        if point.start != UNKNOWN:
            data.start_time_unix_nano = _nanoseconds(point.start)
        _attributes(data.attributes, target.labels, target.longest_value)
        pairs = zip(point.metric.labels, point.values, strict=True)
        _attributes(data.attributes, {name: value for name, value in pairs if value}, target.longest_value)
        _value(data, point)
    return bytes(request.SerializeToString())


def _metric(metric: Any, point: Point, temporality: Temporality) -> Any:
    """Describe a metric, and return the list of its points."""
    metric.name, metric.description = point.name, point.metric.help
    metric.unit = UNITS[point.metric.unit]
    if point.metric.kind not in ("counter", "histogram"):
        metric.gauge.SetInParent()
        return metric.gauge
    data = metric.sum if point.metric.kind == "counter" else metric.histogram
    data.aggregation_temporality = DELTA if temporality == "delta" else CUMULATIVE
    if point.metric.kind == "counter":
        data.is_monotonic = True
    return data


def _value(data: Any, point: Point) -> None:
    if point.is_end:
        data.flags = _NO_VALUE
    elif not point.counts:
        data.as_double = point.value
    else:
        # Counts may be fractions, because sampled calls have weights. The protocol takes whole ones.
        totals = [round(count) for count in point.counts]
        counts = [after - before for after, before in zip(totals, [0, *totals], strict=False)]
        data.explicit_bounds.extend(point.bounds[:-1])
        data.bucket_counts.extend(max(0, count) for count in counts)
        data.count, data.sum = sum(data.bucket_counts), point.sum


def _attributes(into: Any, values: Mapping[str, str], longest: int) -> None:
    for name, value in values.items():
        attribute = into.add()
        attribute.key, attribute.value.string_value = name, fitted(value, longest)


def _nanoseconds(moment: float) -> int:
    return max(0, round(moment * 1e6)) * 1000


def _partial_success(body: bytes) -> tuple[int, str]:
    """How many points the receiver refused, and why. A body that is no response of the protocol refuses nothing."""
    response = _messages().ExportMetricsServiceResponse()
    try:
        response.ParseFromString(body)
    except _decode_error():
        return 0, ""
    partial = response.partial_success
    return max(0, partial.rejected_data_points), one_line(partial.error_message)[:300]


@cache
def _messages() -> ModuleType:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    module: ModuleType = metrics_service_pb2
    return module


@cache
def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    error: type[Exception] = DecodeError
    return error
