"""Strict stand-ins for what takes metrics: they refuse what the vendors refuse, and keep what they accepted."""

import gzip
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from tests.support.receiver import Receiver, Request

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_LINE = re.compile(
    rb"(?P<name>[A-Za-z_][A-Za-z0-9_.-]*):(?P<value>-?[0-9.e+-]+)\|(?P<kind>[cg])(?:\|#(?P<tags>[^|\n]+))?"
)


@dataclass(slots=True)
class OtlpIntake(Receiver):
    """An OTLP endpoint for metrics. `largest` bytes of a body before compression; `key` is (header, value)."""

    largest: int = 4_000_000
    compressed: int = 4_000_000
    longest_value: int = 100_000
    delta_only: bool = False
    key: tuple[str, str] = ("", "")
    accepted: list[ExportMetricsServiceRequest] = field(default_factory=list)
    answer: ExportMetricsServiceResponse = field(default_factory=ExportMetricsServiceResponse)

    def judge(self, body: bytes) -> int:
        request: Request = self.requests[-1]
        assert request.headers["Content-Type"] == "application/x-protobuf"
        assert request.headers["Content-Encoding"] == "gzip"
        if self.key[0] and request.headers.get(self.key[0]) != self.key[1]:
            return 403
        plain = gzip.decompress(body)
        if len(plain) > self.largest or len(body) > self.compressed:
            return 413
        message = ExportMetricsServiceRequest.FromString(plain)
        if any(not self._is_acceptable(metric) for metric in metrics_of(message)):
            return 400
        self.accepted.append(message)
        return 200

    def _is_acceptable(self, metric: Metric) -> bool:
        data = getattr(metric, metric.WhichOneof("data") or "gauge")
        if self.delta_only and hasattr(data, "aggregation_temporality"):
            return bool(data.aggregation_temporality == DELTA)
        for point in data.data_points:
            if len({attribute.key for attribute in point.attributes}) != len(point.attributes):
                return False
            if len(point.attributes) > 64 or len(metric.name) > 255:
                return False
            if any(len(one.value.string_value) > self.longest_value for one in point.attributes):
                return False
            if hasattr(point, "bucket_counts") and (
                len(point.bucket_counts) != len(point.explicit_bounds) + 1
                or point.count != sum(point.bucket_counts)
            ):
                return False
        return True

    def reply(self) -> bytes:
        return self.answer.SerializeToString()


def metrics_of(message: ExportMetricsServiceRequest) -> Iterator[Metric]:
    """The metrics of a request."""
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


@dataclass(frozen=True, slots=True)
class Line:
    """One line of StatsD."""

    name: str
    value: float
    kind: str
    tags: tuple[tuple[str, str], ...]


def parse_statsd(datagram: bytes) -> list[Line]:
    """The lines of a datagram; fails on anything that a strict parser refuses."""
    lines = []
    for text in datagram.split(b"\n"):
        match = _LINE.fullmatch(text)
        assert match, f"no line of StatsD: {text!r}"
        tags = []
        for tag in (match["tags"] or b"").decode("ascii").split(",") if match["tags"] else ():
            name, colon, value = tag.partition(":")
            assert name, tag
            assert colon, tag
            assert value, tag
            assert len(tag) <= 200, tag
            assert tag.isprintable(), tag
            tags.append((name, value))
        assert len({name for name, _ in tags}) == len(tags), text
        lines.append(Line(match["name"].decode(), float(match["value"]), match["kind"].decode(), tuple(tags)))
    return lines


@contextmanager
def udp() -> Iterator[socket.socket]:
    """A socket on a free port of this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(5)
        yield bound


def datagrams(bound: socket.socket) -> list[bytes]:
    """All that have arrived."""
    arrived = []
    bound.setblocking(False)
    while True:
        try:
            arrived.append(bound.recv(65_535))
        except BlockingIOError:
            return arrived
