"""Decodes OTLP requests in JSON.

protobuf's own `json_format` reads the hexadecimal ids of OTLP as Base64, and takes ten times as long. Fields of another
type than in the specification refuse their span, and unknown fields are ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.errors import InputError
from monitor.predictions.intake import bodies
from monitor.sources.otlp.data_points import CUMULATIVE, DataPoint, PointKind, counted, kind_of, labels_of
from monitor.sources.otlp.span import (
    EVENT_NAME,
    GENAI,
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

_MAX_DEPTH = 64
"""Levels of nested attribute values; deeper ones are left out."""
_MAX_DIGITS = 20
_ERROR = 2
_POINTS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_HINT = "send an OTLP request; keys are in lowerCamelCase, ids hexadecimal"


def spans(body: bytes) -> Iterator[Span | RefusedItem]:
    """The spans of an ExportTraceServiceRequest.

    Raises:
        InputError: the body is not JSON, or not a request.
    """
    for resource, _, item in _items(body, "resourceSpans", "scopeSpans", "spans"):
        try:
            yield _span(item, resource)
        except ValueError as error:
            yield RefusedItem(str(error))


def logs(body: bytes) -> Iterator[LogRecord | RefusedItem]:
    """The log records of an ExportLogsServiceRequest.

    Raises:
        InputError: the body is not JSON, or not a request.
    """
    for resource, scope, item in _items(body, "resourceLogs", "scopeLogs", "logRecords"):
        try:
            attributes = _attributes(item.get("attributes"))
            event = _text(item, "eventName") or str(attributes.get(EVENT_NAME, ""))
            places = _hexadecimal(item, "traceId"), _hexadecimal(item, "spanId")
            named = _text(scope, "name"), _text(scope, "version")
            time = _nanoseconds(item, "timeUnixNano") or _nanoseconds(item, "observedTimeUnixNano")
            text = _value(item.get("body"), 0) if event.startswith(GENAI) else None
            yield LogRecord(event, attributes, resource, *places, *named, time, text)
        except ValueError as error:
            yield RefusedItem(str(error))


def data_points(body: bytes) -> Iterator[DataPoint | RefusedItem]:
    """The data points of an ExportMetricsServiceRequest; of a histogram or summary, its count and its sum.

    Raises:
        InputError: the body is not JSON, or not a request.
    """
    for resource, _, metric in _items(body, "resourceMetrics", "scopeMetrics", "metrics"):
        for form in _POINTS:
            data = metric.get(form)
            if not isinstance(data, dict):
                continue
            points = data.get("dataPoints")
            for point in points if isinstance(points, list) else ():
                try:
                    yield from _points(_text(metric, "name"), form, data, point, resource)
                except ValueError as error:
                    yield RefusedItem(str(error))


def _points(
    name: str, form: str, data: Mapping[str, Any], point: object, resource: Attributes
) -> Iterator[DataPoint | RefusedItem]:
    if not isinstance(point, dict):
        msg = "a data point is not an object"
        raise ValueError(msg)
    if (_whole(point.get("flags") or 0) or 0) & 1:  # nothing was recorded
        return
    labels, time = (
        labels_of(resource, _attributes(point.get("attributes"))),
        _nanoseconds(point, "timeUnixNano"),
    )
    if form in ("gauge", "sum"):
        kind = (
            kind_of(data.get("aggregationTemporality"), is_monotonic=data.get("isMonotonic") is True)
            if form == "sum"
            else PointKind.LEVEL
        )
        whole = _whole(point.get("asInt"))
        value = _real(point.get("asDouble")) if whole is None else float(whole)
        if kind is None or value is None:
            yield RefusedItem("it has no number, or no aggregation temporality that can be read")
        else:
            yield DataPoint(name, labels, value, kind, time)
        return
    temporality = CUMULATIVE if form == "summary" else data.get("aggregationTemporality")
    kind, count = kind_of(temporality, is_monotonic=True), _whole(point.get("count") or 0)
    if kind is None or count is None:
        yield RefusedItem("its count is not a number, or it has no aggregation temporality")
    else:
        total = _real(point.get("sum", 0.0 if form == "summary" else None))
        yield from counted(name, labels, float(count), total, kind, time)


def _items(body: bytes, *names: str) -> Iterator[tuple[Attributes, Mapping[str, Any], Mapping[str, Any]]]:
    """The spans, log records or metrics of a request, each with the attributes of its resource and its scope."""
    requests = bodies.records(body)
    request = requests[0] if len(requests) == 1 else None
    if not isinstance(request, dict):
        raise InputError("the body is not an OTLP request", hint=_HINT)
    groups, scopes, items = names
    for group in _objects(request, groups):
        described = group.get("resource")
        try:
            resource = _attributes(described.get("attributes")) if isinstance(described, dict) else {}
        except ValueError:
            resource = {}
        for scope in _objects(group, scopes):
            about = scope.get("scope")
            about = about if isinstance(about, dict) else {}
            yield from ((resource, about, item) for item in _objects(scope, items))


def _objects(parent: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    children = parent.get(name)
    if children is None:
        return []
    if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
        raise InputError(f"{name} is not a list of objects", hint=_HINT)
    return children


def _span(item: Mapping[str, Any], resource: Attributes) -> Span:
    """Raises ValueError where a field has the wrong type."""
    trace, span = _hexadecimal(item, "traceId"), _hexadecimal(item, "spanId")
    if flaw := flaw_of(trace, span):
        raise ValueError(flaw)
    status = item.get("status")
    status = status if isinstance(status, dict) else {}
    events = item.get("events")
    _check_count(events)
    return Span(
        trace,
        span,
        _hexadecimal(item, "parentSpanId"),
        _text(item, "name"),
        _nanoseconds(item, "startTimeUnixNano"),
        _nanoseconds(item, "endTimeUnixNano"),
        _attributes(item.get("attributes")),
        resource,
        [_event(event) for event in first_and_last(events) if isinstance(event, dict)]
        if isinstance(events, list)
        else [],
        status.get("code") == _ERROR,
        _text(status, "message"),
        is_entry(_whole(item.get("kind")) or 0, _whole(item.get("flags")) or 0),
    )


def _check_count(parts: object) -> None:
    if isinstance(parts, list) and len(parts) > MAX_PARTS:
        msg = f"it has more than {MAX_PARTS:,} parts"
        raise ValueError(msg)


def _event(item: Mapping[str, Any]) -> SpanEvent:
    attributes = _attributes(item.get("attributes"))
    return SpanEvent(_text(item, "name"), _nanoseconds(item, "timeUnixNano"), attributes)


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name) or ""
    if not isinstance(value, str):
        msg = f"{name} is not a string"
        raise ValueError(msg)
    return value


def _hexadecimal(item: Mapping[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(_text(item, name))
    except ValueError as error:
        msg = f"{name} is not hexadecimal"
        raise ValueError(msg) from error


def _nanoseconds(item: Mapping[str, Any], name: str) -> int:
    value = _whole(item.get(name) or 0)
    if value is None or not 0 <= value < 2**64:
        msg = f"{name} is not a number of nanoseconds"
        raise ValueError(msg)
    return value


def _whole(value: object) -> int | None:
    """A 64-bit integer, which JSON may write as a number or as a string; None if it is none."""
    if isinstance(value, str) and len(value) <= _MAX_DIGITS and value.lstrip("-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _attributes(pairs: object, depth: int = 0) -> dict[str, Any]:
    """Raises ValueError where they are not a list of keys and values."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list):
        msg = "attributes is not a list"
        raise ValueError(msg)
    _check_count(pairs)
    attributes: dict[str, Any] = {}
    for pair in pairs:
        key = pair.get("key", "") if isinstance(pair, dict) else None  # absent fields are empty
        if not isinstance(key, str):
            msg = "an attribute is not an object with a key"
            raise ValueError(msg)
        attributes[key] = _value(pair.get("value"), depth)
    return attributes


def _value(value: object, depth: int) -> Any:
    """The content of an AnyValue; None for bytes and for kinds that are not known."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return None
    for kind, content in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return content if isinstance(content, str if kind == "stringValue" else bool) else None
            case "intValue":
                return _whole(content)
            case "doubleValue":
                return _real(content)
            case "arrayValue":
                elements = content.get("values") if isinstance(content, dict) else None
                return (
                    [_value(element, depth + 1) for element in elements] if isinstance(elements, list) else []
                )
            case "kvlistValue":
                return _attributes(content.get("values") if isinstance(content, dict) else None, depth + 1)
    return None


def _real(content: object) -> float | None:
    try:
        return float(content) if isinstance(content, int | float | str) else None
    except (ValueError, OverflowError):
        return None
