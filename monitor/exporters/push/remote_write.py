"""Prometheus remote write 1.0: snappy-compressed protobuf, written here because the message has five fields.

A series that ends gets Prometheus' stale marker. What the other side has already (a batch that was sent again after its
answer was lost) is refused with 400 as out of order; that is no loss. It is one when the clock was set back.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import pyarrow as pa
from pydantic import Field

from monitor import __version__
from monitor.config.sections import WholeNumber
from monitor.exporters.push.exporter import (
    Exporter,
    HttpExporterSettings,
    Sent,
    TooLargeError,
    ensure_no_page,
)
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.point import Point, number_text
from monitor.exporters.push.text_values import fitted
from monitor.notify.addresses import SecretUrl
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http import Http
from monitor.outgoing import Budget

STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The NaN that ends a series in Prometheus."""
LARGEST = 4_000_000
"""Bytes of a request before compression. Receivers accept at least 10 MB of series."""
_REPEATED = re.compile(
    r"out of order|out of bounds|duplicate sample|too old|err-mimir-sample-", re.IGNORECASE
)


class RemoteWriteSettings(HttpExporterSettings):
    """Prometheus remote write 1.0: Prometheus itself, Grafana Mimir, Thanos, VictoriaMetrics, Cortex."""

    kind: Literal["remote_write"] = "remote_write"
    """Prometheus remote write."""
    url: SecretUrl
    """URL of the endpoint, such as http://prometheus:9090/api/v1/write."""
    job: str = "watchkeeper"
    """The label `job`."""
    instance: str = ""
    """The label `instance`. Empty: the name of this host."""
    longest_value: WholeNumber = Field(default=2048, ge=32)
    """Characters of a label's value; longer ones are cut and end in a digest."""

    @property
    def address(self) -> str:
        """The URL."""
        return self.url.get_secret_value()

    def make_exporter(self, instance: str) -> Exporter:
        """A connection."""
        return RemoteWrite(self, instance)


class RemoteWrite:
    """Posts series to one endpoint."""

    temporality: Temporality = "cumulative"
    most_points = 2_000

    def __init__(self, settings: RemoteWriteSettings, instance: str) -> None:
        self._url, self._longest = settings.address, settings.longest_value
        self._fixed = tuple(
            {"job": settings.job, "instance": settings.instance or instance, **settings.labels}.items()
        )
        self._is_unanswered = False
        self._http = Http("remote write", settings.route, settings.timeout)
        self._headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"watchkeeper/{__version__}",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
            **settings.given_headers(),
        }

    def send(self, points: Sequence[Point], budget: Budget) -> Sent:
        """One request."""
        body = encode(points, self._fixed, self._longest)
        if len(body) > LARGEST:
            raise TooLargeError
        compressed = pa.compress(body, codec="snappy", asbytes=True)
        was_unanswered, self._is_unanswered = self._is_unanswered, False
        try:
            answer = self._http.post(self._url, compressed, self._headers, budget)
        except AttemptError as failure:
            if failure.code != 400 or not _REPEATED.search(failure.message):
                self._is_unanswered = failure.kind is FailureKind.UNREACHABLE
                raise
            # The receiver has taken what is new. Unless this request is repeated, that is a loss.
            return Sent(0 if was_unanswered else len(points), f"newer samples are there: {failure.message}")
        ensure_no_page("remote write", answer)
        return Sent(0, f"answered {answer.status_code}")

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def encode(points: Sequence[Point], fixed: tuple[tuple[str, str], ...] = (), longest: int = 2048) -> bytes:
    """A WriteRequest: one series for each gauge and counter, several for a histogram. `fixed` are labels of all."""
    return b"".join(_series(point, fixed, longest) for point in points)


def _series(point: Point, fixed: tuple[tuple[str, str], ...], longest: int) -> bytes:
    at = _varint(max(0, int(point.time * 1000)))
    parts = []
    for name, bound, value in _lines(point):
        number = STALE if point.is_end else struct.pack("<d", math.nan if math.isnan(value) else value)
        sample = b"\x09" + number + b"\x10" + at
        labels = _labels(name, point.metric.labels, point.values, bound, fixed, longest)
        series = labels + b"\x12" + _varint(len(sample)) + sample
        parts.append(b"\x0a" + _varint(len(series)) + series)
    return b"".join(parts)


def _lines(point: Point) -> Iterator[tuple[str, str, float]]:
    """Name, bound of the bucket or nothing, and value of each series."""
    if not point.bounds:
        yield point.name, "", point.value
        return
    counts = point.counts or (math.nan,) * len(point.bounds)
    for bound, count in zip(point.bounds, counts, strict=True):
        yield f"{point.name}_bucket", number_text(bound), count
    yield f"{point.name}_count", "", counts[-1]
    yield f"{point.name}_sum", "", point.sum


@lru_cache(maxsize=65_536)
def _labels(
    name: str,
    names: tuple[str, ...],
    values: tuple[str, ...],
    bound: str,
    fixed: tuple[tuple[str, str], ...],
    longest: int,
) -> bytes:
    """The labels, sorted by name as the protocol demands; empty ones are left out, as they mean none."""
    pairs = {"__name__": name, **dict(fixed), **dict(zip(names, values, strict=True))}
    pairs |= {"le": bound} if bound else {}
    return b"".join(
        _field(0x0A, _field(0x0A, label.encode()) + _field(0x12, fitted(value, longest).encode()))
        for label, value in sorted(pairs.items())
        if value
    )


def _field(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
