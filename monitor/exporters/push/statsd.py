"""StatsD and DogStatsD: lines in datagrams, over UDP or a Unix socket, where nothing else is open.

Nobody answers a datagram: over UDP only a closed port of the same network is noticed. The end of a
series cannot be told.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from monitor.config.sections import WholeNumber
from monitor.exporters.push.exporter import Exporter, ExporterSettings, SendResult
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.point import Point, number_text
from monitor.exporters.push.text_values import DIGEST, digest
from monitor.notify.failure import AttemptError, FailureKind
from monitor.outgoing import CallBudget, OutgoingRoute
from monitor.outgoing.datagrams import Datagrams
from monitor.outgoing.route import DIRECT
from monitor.visible import counted

LONGEST_VALUE = 180
"""Characters of a tag's value: Datadog cuts tags at 200, name included."""
_OF_TAGS = re.compile(r"[^A-Za-z0-9_.:/@ -]")
_OF_NAMES = re.compile(r"[^A-Za-z0-9_-]")


class StatsdSettings(ExporterSettings):
    """StatsD or DogStatsD, over UDP or a Unix socket."""

    kind: Literal["statsd"] = "statsd"
    """StatsD or DogStatsD."""
    url: str
    """udp://127.0.0.1:8125 or unix:///var/run/datadog/dsd.socket."""
    tags: bool = True
    """Labels as DogStatsD's tags. Without, the values of the labels are parts of the name, as in
    `watchkeeper_model_state.acme.production.fraud`."""
    largest_datagram: WholeNumber = Field(default=0, ge=0, le=65_000)
    """Bytes of a datagram. 0: 1,432 over UDP, which no network splits, and 8,192 to a socket."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_valid = (parts.scheme == "udp" and bool(parts.hostname) and bool(parts.port)) or (
                parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc
            )
        except ValueError:
            is_valid = False
        if not is_valid or not value.isprintable():
            msg = f"{value[:80]!r} is not an address: use udp://HOST:PORT or unix:///PATH"
            raise ValueError(msg)
        return value

    @property
    def address(self) -> str:
        """The URL."""
        return self.url

    @property
    def route(self) -> OutgoingRoute:
        """Datagrams know no proxy."""
        return OutgoingRoute(proxy=DIRECT)

    def make_exporter(self, instance: str) -> Exporter:
        """A connection; who receives datagrams adds the name of the host."""
        del instance
        return Statsd(self)


class Statsd:
    """Sends lines to one address."""

    temporality: Temporality = "delta"
    most_points = 1_000

    def __init__(self, settings: StatsdSettings) -> None:
        self._fixed = tuple(settings.labels.items())
        self._has_tags = settings.tags
        self._largest = settings.largest_datagram or (8_192 if settings.url.startswith("unix") else 1_432)
        self._out = Datagrams(settings.url)

    def send(self, points: Sequence[Point], budget: CallBudget) -> SendResult:
        """All points in as few datagrams as possible.

        Raises:
            AttemptError: no datagram could be sent.
        """
        waiting = deque(packed(self._lines(points), self._largest))
        count, too_long = 0, sum(not point.is_finite and not point.is_end for point in points)
        while waiting:
            data = waiting[0][0]
            if len(data) > self._largest:
                too_long += 1
                waiting.popleft()
                continue
            try:
                self._out.send(data, budget)
            except OSError as error:
                reason = f"StatsD: {error.strerror or error}"
                if not count:
                    raise AttemptError(reason, FailureKind.UNREACHABLE) from error
                unsent = {id(point): point for _, points in waiting for point in points}
                return SendResult(too_long, reason, tuple(unsent.values()))
            waiting.popleft()
            count += 1
        return SendResult(too_long, counted(count, "datagram"))

    def _lines(self, points: Sequence[Point]) -> Iterator[tuple[bytes, Point]]:
        for point in points:
            if point.is_finite and not point.is_end:
                for line in _lines(point, self._fixed, has_tags=self._has_tags):
                    yield line, point

    def close(self) -> None:
        """Close the socket."""
        self._out.close()


def packed(lines: Iterable[tuple[bytes, Point]], largest: int) -> Iterator[tuple[bytes, list[Point]]]:
    """The lines in datagrams of at most `largest` bytes, with the points in each. A longer line is alone in its own."""
    waiting: list[bytes] = []
    points: list[Point] = []
    size = 0
    for line, point in lines:
        if waiting and size + 1 + len(line) > largest:
            yield b"\n".join(waiting), points
            waiting, points, size = [], [], 0
        size += len(line) + bool(waiting)
        waiting.append(line)
        points.append(point)
    if waiting:
        yield b"\n".join(waiting), points


def _lines(point: Point, fixed: tuple[tuple[str, str], ...], *, has_tags: bool) -> Iterator[bytes]:
    """The lines of one point. Counters that counted nothing have none."""
    for name, bound, value in _parts(point):
        is_counter = point.metric.kind in ("counter", "histogram")
        if is_counter and value == 0:
            continue
        head, tags = _identity(name, point.metric.labels, point.values, bound, fixed, has_tags)
        number = number_text(value).encode()
        if not is_counter and value < 0 and not has_tags:
            yield head + b":0|g" + tags  # a sign means a change, except in DogStatsD
        yield head + b":" + number + (b"|c" if is_counter else b"|g") + tags


def _parts(point: Point) -> Iterator[tuple[str, str, float]]:
    if not point.counts:
        yield point.name, "", point.value
        return
    for bound, count in zip(point.bounds, point.counts, strict=True):
        yield f"{point.name}_bucket", number_text(bound), count
    yield f"{point.name}_count", "", point.counts[-1]
    yield f"{point.name}_sum", "", point.sum


@lru_cache(maxsize=65_536)
def _identity(
    name: str,
    names: tuple[str, ...],
    values: tuple[str, ...],
    bound: str,
    fixed: tuple[tuple[str, str], ...],
    has_tags: bool,
) -> tuple[bytes, bytes]:
    """What stands before the value, and the tags after it."""
    pairs = [*fixed, *zip(names, values, strict=True), *([("le", bound)] if bound else [])]
    if has_tags:
        tags = ",".join(f"{label}:{_safe(value, _OF_TAGS, '~')}" for label, value in pairs if value)
        return name.encode(), f"|#{tags}".encode() if tags else b""
    return ".".join([name, *(_safe(value or "_", _OF_NAMES, "_") for _, value in pairs)]).encode(), b""


def _safe(value: str, unsafe: re.Pattern[str], mark: str) -> str:
    """A value without what separates fields. If that changes it, it ends in a digest: two values stay two."""
    cleaned = unsafe.sub("_", value)
    if cleaned == value and len(value) <= LONGEST_VALUE:
        return value
    return f"{cleaned[: LONGEST_VALUE - DIGEST - 1]}{mark}{digest(value)}"
