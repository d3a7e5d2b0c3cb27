"""The messages of Prometheus remote write, 1.0 and 2.0, written here because they have few fields.

2.0 holds each text once, in a table, and tells type, help and unit of each series. Its message is
`io.prometheus.write.v2.Request`, that of 1.0 `prometheus.WriteRequest`.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache

from monitor.exporters.push.point import Point, number_text
from monitor.exporters.push.text_values import fitted

STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The NaN that ends a series in Prometheus."""
_TYPES = {"counter": 1, "gauge": 2, "histogram": 3, "info": 6}
"""`Metadata.MetricType` of 2.0."""
_Pairs = tuple[tuple[str, str], ...]


def encode_1(points: Sequence[Point], fixed: _Pairs = (), longest: int = 2048) -> bytes:
    """A message of 1.0: one series for each gauge and counter, several for a histogram. `fixed` are labels of all."""
    return b"".join(
        _field(0x0A, _labels(point, name, bound, fixed, longest) + _field(0x12, _sample(point, value)))
        for point in points
        for name, bound, value in series_of(point)
    )


def encode_2(points: Sequence[Point], fixed: _Pairs = (), longest: int = 2048) -> bytes:
    """A message of 2.0 with the same series."""
    symbols = {"": 0}
    series = []
    for point in points:
        unit, described = point.metric.unit, point.metric.help
        metadata = (
            b"\x08" + _varint(_TYPES[point.metric.kind]) + b"\x18" + _reference(symbols, described)
        ) + (b"\x20" + _reference(symbols, unit) if unit else b"")
        for name, bound, value in series_of(point):
            pairs = _pairs(name, point.metric.labels, point.values, bound, fixed, longest)
            references = b"".join(_reference(symbols, text) for pair in pairs for text in pair)
            series.append(
                _field(
                    0x2A,
                    _field(0x0A, references) + _field(0x12, _sample(point, value)) + _field(0x2A, metadata),
                )
            )
    return b"".join((*(_field(0x22, symbol.encode()) for symbol in symbols), *series))


def series_of(point: Point) -> Iterator[tuple[str, str, float]]:
    """Name, bound of the bucket or nothing, and value of each series of a point."""
    if not point.bounds:
        yield point.name, "", point.value
        return
    counts = point.counts or (math.nan,) * len(point.bounds)
    for bound, count in zip(point.bounds, counts, strict=True):
        yield f"{point.name}_bucket", number_text(bound), count
    yield f"{point.name}_count", "", counts[-1]
    yield f"{point.name}_sum", "", point.sum


def _sample(point: Point, value: float) -> bytes:
    """Value and time in milliseconds: the same fields in both versions."""
    number = STALE if point.is_end else struct.pack("<d", math.nan if math.isnan(value) else value)
    return b"\x09" + number + b"\x10" + _varint(max(0, int(point.time * 1000)))


def _labels(point: Point, name: str, bound: str, fixed: _Pairs, longest: int) -> bytes:
    return _encoded(_pairs(name, point.metric.labels, point.values, bound, fixed, longest))


@lru_cache(maxsize=65_536)
def _encoded(pairs: _Pairs) -> bytes:
    return b"".join(
        _field(0x0A, _field(0x0A, label.encode()) + _field(0x12, value.encode())) for label, value in pairs
    )


@lru_cache(maxsize=65_536)
def _pairs(
    name: str, names: tuple[str, ...], values: tuple[str, ...], bound: str, fixed: _Pairs, longest: int
) -> _Pairs:
    """The labels, sorted by name as the protocol demands; empty ones are left out, as they mean none."""
    pairs = {"__name__": name, **dict(fixed), **dict(zip(names, values, strict=True))}
    pairs |= {"le": bound} if bound else {}
    return tuple((label, fitted(value, longest)) for label, value in sorted(pairs.items()) if value)


def _reference(symbols: dict[str, int], text: str) -> bytes:
    return _varint(symbols.setdefault(text, len(symbols)))


def _field(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
