"""Decodes OTLP requests in protobuf.

The outer levels of a request are walked here, and each span is decoded by itself. So an invalid span refuses only
itself, and the objects of one span at a time are in memory: protobuf's objects take many times the bytes of a message.
`opentelemetry-proto` is imported on first use.
"""

from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from monitor.errors import InputError, TooLargeError
from monitor.sources.otlp.data_points import CUMULATIVE, DataPoint, PointKind, counted, kind_of, labels_of
from monitor.sources.otlp.span import (
    EVENT_NAME,
    GENAI,
    MAX_ITEM_BYTES,
    MAX_PARTS,
    Attributes,
    LogRecord,
    RefusedItem,
    Span,
    SpanEvent,
    first_and_last,
    flaw_of,
    is_entry,
)

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIRST, _SECOND = 1, 2
"""Field numbers: of the resources in a request, and of the scopes in a resource and the items in a scope."""
_POINTS = {5, 7, 9, 10, 11}
"""Field numbers of a metric's data: gauge, sum, histogram, exponential histogram, summary."""
_MAX_FIELDS = 200_000
"""Fields of a request on the levels above its spans: a body of 32 MB could have 16 million empty ones."""
_LARGE = 65_536
_ERROR = 2
_HINT = "send an OTLP request as protobuf, or as JSON with the content type application/json"


def spans(body: bytes) -> Iterator[Span | RefusedItem]:
    """The spans of an ExportTraceServiceRequest.

    Raises:
        InputError: the body is not a protobuf message of that form.
    """
    span_type = _messages().trace.Span
    for resource, _, content in _items(body, _Walk()):
        message = _decoded(span_type, content)
        if isinstance(message, RefusedItem):
            yield message
        elif flaw := flaw_of(message.trace_id, message.span_id):
            yield RefusedItem(flaw)
        else:
            yield Span(
                message.trace_id,
                message.span_id,
                message.parent_span_id,
                message.name,
                message.start_time_unix_nano,
                message.end_time_unix_nano,
                _attributes(message.attributes),
                resource,
                [
                    SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))
                    for event in first_and_last(message.events)
                ],
                message.status.code == _ERROR,
                message.status.message,
                is_entry(message.kind, message.flags),
            )


def logs(body: bytes) -> Iterator[LogRecord | RefusedItem]:
    """The log records of an ExportLogsServiceRequest.

    Raises:
        InputError: the body is not a protobuf message of that form.
    """
    record_type = _messages().logs.LogRecord
    for resource, scope, content in _items(body, _Walk()):
        message = _decoded(record_type, content)
        if isinstance(message, RefusedItem):
            yield message
        else:
            attributes = _attributes(message.attributes)
            event = message.event_name or str(attributes.get(EVENT_NAME, ""))
            places = message.trace_id, message.span_id
            text = _value(message.body) if event.startswith(GENAI) else None
            time = message.time_unix_nano or message.observed_time_unix_nano
            yield LogRecord(event, attributes, resource, *places, *_named(scope), time, text)


def data_points(body: bytes) -> Iterator[DataPoint | RefusedItem]:
    """The data points of an ExportMetricsServiceRequest; of a histogram or summary, its count and its sum.

    Raises:
        InputError: the body is not a protobuf message of that form.
    """
    walk = _Walk()
    for resource, _, content in _items(body, walk):
        for number, data in walk.fields(content):
            if number in _POINTS:
                for _ in walk.fields(data):  # limits the points of all metrics
                    pass
        metric = _decoded(_messages().metrics.Metric, content)
        if isinstance(metric, RefusedItem):
            yield metric
        elif form := metric.WhichOneof("data"):
            data = getattr(metric, form)
            for point in data.data_points:
                if not point.flags & 1:  # otherwise nothing was recorded
                    yield from _points(metric.name, form, data, point, resource)


def _points(
    name: str, form: str, data: Any, point: Any, resource: Attributes
) -> Iterator[DataPoint | RefusedItem]:
    labels, time = labels_of(resource, _attributes(point.attributes)), point.time_unix_nano
    if form in ("gauge", "sum"):
        kind = (
            kind_of(data.aggregation_temporality, is_monotonic=data.is_monotonic)
            if form == "sum"
            else PointKind.LEVEL
        )
        value = point.WhichOneof("value")
        if kind is None or value is None:
            yield RefusedItem("it has no number, or no aggregation temporality that can be read")
        else:
            yield DataPoint(name, labels, float(getattr(point, value)), kind, time)
        return
    temporality = CUMULATIVE if form == "summary" else data.aggregation_temporality
    kind = kind_of(temporality, is_monotonic=True)
    if kind is None:
        yield RefusedItem("its count is not a number, or it has no aggregation temporality")
        return
    total = point.sum if form == "summary" or point.HasField("sum") else None
    yield from counted(name, labels, float(point.count), total, kind, time)


class _Messages:
    """The generated modules of `opentelemetry-proto`."""

    def __init__(self) -> None:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.common.v1 import common_pb2
        from opentelemetry.proto.logs.v1 import logs_pb2
        from opentelemetry.proto.metrics.v1 import metrics_pb2
        from opentelemetry.proto.resource.v1 import resource_pb2
        from opentelemetry.proto.trace.v1 import trace_pb2

        self.trace: ModuleType = trace_pb2
        self.common: ModuleType = common_pb2
        self.logs: ModuleType = logs_pb2
        self.metrics: ModuleType = metrics_pb2
        self.resource: ModuleType = resource_pb2
        self.error: type[Exception] = DecodeError


@cache
def _messages() -> _Messages:
    return _Messages()


def _items(body: bytes, walk: "_Walk") -> Iterator[tuple[Attributes, memoryview, memoryview]]:
    """The encoded spans, log records or metrics of a request, each with its resource's attributes and its scope."""
    for number, group in walk.fields(memoryview(body)):
        if number != _FIRST:
            continue
        resource: Attributes = {}
        scopes: list[memoryview] = []
        for part, content in walk.fields(group):
            if part == _FIRST:  # which may come after the spans
                message = _decoded(_messages().resource.Resource, content)
                resource = {} if isinstance(message, RefusedItem) else _attributes(message.attributes)
            elif part == _SECOND:
                scopes.append(content)
        for scope in scopes:
            fields = list(walk.fields(scope))
            about = next((part for inner, part in fields if inner == _FIRST), memoryview(b""))
            yield from ((resource, about, item) for inner, item in fields if inner == _SECOND)


def _named(scope: memoryview) -> tuple[str, str]:
    """The name and the version of a scope; empty if they cannot be read."""
    message = _decoded(_messages().common.InstrumentationScope, scope)
    return ("", "") if isinstance(message, RefusedItem) else (message.name, message.version)


def _decoded(kind: Any, content: memoryview) -> Any:
    """A message; `Refused` if the bytes are none."""
    if len(content) > MAX_ITEM_BYTES:
        return RefusedItem(f"it has {len(content):,} bytes, more than {MAX_ITEM_BYTES:,}")
    try:
        if len(content) > _LARGE:  # a nearly empty event takes a hundred times its bytes in memory
            for _ in _Walk(MAX_PARTS).fields(content):
                pass
        return kind.FromString(bytes(content))
    except TooLargeError as error:
        return RefusedItem(error.message)
    except (InputError, _messages().error):
        return RefusedItem("it is not a valid protobuf message")


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    """The content of an AnyValue; None for bytes and for kinds that are not known."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind in ("int_value", "double_value", "bool_value"):
        return getattr(value, kind)
    if kind == "array_value":
        return [_value(element) for element in value.array_value.values]
    return _attributes(value.kvlist_value.values) if kind == "kvlist_value" else None


class _Walk:
    """Goes through the fields of messages, up to a number of them in all."""

    def __init__(self, most: int = _MAX_FIELDS) -> None:
        self._most = self._left = most

    def fields(self, message: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The fields of a message that have a length, with their numbers; others are skipped.

        Raises:
            InputError: the bytes are not a protobuf message.
            TooLargeError: it is the one field too many.
        """
        at, end = 0, len(message)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise TooLargeError(
                    f"it has more than {self._most:,} parts", hint="send fewer spans per request"
                )
            tag, at = _varint(message, at)
            kind = tag & 7
            if kind == _LENGTH:
                size, at = _varint(message, at)
                if size > end - at:
                    raise InputError(f"the protobuf message ends in field {tag >> 3}", hint=_HINT)
                yield tag >> 3, message[at : at + size]
                at += size
            elif kind == _VARINT:
                _, at = _varint(message, at)
            elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
                at += 8 if kind == _EIGHT_BYTES else 4
            else:
                raise InputError("the body is not a protobuf message", hint=_HINT)
            if at > end:
                raise InputError("the protobuf message is truncated", hint=_HINT)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    number = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise InputError("the body is not a protobuf message", hint=_HINT)
