"""OTLP requests: built as protobuf messages, and written in both encodings."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from monitor.predictions.log.batch import decode
from monitor.records import Stream
from monitor.store import predictions
from tests.support.ingest_server import Ingest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
BOT = Stream("acme", "support-bot")
"""The stream of the spans made here."""
_HEXADECIMAL = {"traceId", "spanId", "parentSpanId"}
RECORDED = Path(__file__).parent.parent / "data" / "otlp"
"""Requests of real instrumentations; the README there says of which."""


def value(content: Any) -> AnyValue:
    """A plain value as an AnyValue."""
    found = AnyValue()
    match content:
        case bool():
            found.bool_value = content
        case int():
            found.int_value = content
        case float():
            found.double_value = content
        case str():
            found.string_value = content
        case bytes():
            found.bytes_value = content
        case list():
            found.array_value.values.extend([value(one) for one in content])
            found.array_value.SetInParent()
        case dict():
            found.kvlist_value.values.extend(pairs(content))
            found.kvlist_value.SetInParent()
    return found


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as protobuf has them."""
    return [KeyValue(key=key, value=value(content)) for key, content in attributes.items()]


def span(
    number: int = 1,
    attributes: Mapping[str, Any] | None = None,
    *,
    trace: int = 1,
    parent: int = 0,
    name: str = "chat gpt-4o-mini",
    start: float = 1_795_420_800.0,
    seconds: float = 0.25,
    error: str | None = None,
) -> Span:
    """A span with the id `number`; `error` is the message of a failed one."""
    began = int(start * 1e9)
    made = Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=began,
        end_time_unix_nano=began + int(seconds * 1e9),
        attributes=pairs(attributes or {}),
    )
    if error is not None:
        made.status.code, made.status.message = 2, error
    return made


CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 25,
    "gen_ai.usage.output_tokens": 6,
}
"""The attributes of a call in the notation of the semantic conventions."""


def call(
    number: int = 1, response: str = "", attributes: Mapping[str, Any] | None = None, **more: Any
) -> Span:
    """A span of a call of a language model."""
    named = {"gen_ai.response.id": response} if response else {}
    return span(number, {**CALL, **named, **(attributes or {})}, **more)


def traces(*spans: Span, **resource: Any) -> ExportTraceServiceRequest:
    """A request with these spans; dots in the names of `resource` are written as underscores twice."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    described = {"service.name": "support-bot", "watchkeeper.client": "acme"}
    described |= {name.replace("__", "."): content for name, content in resource.items()}
    group.resource.attributes.extend(pairs({k: v for k, v in described.items() if v is not None}))
    group.scope_spans.add().spans.extend(spans)
    return request


def as_json(request: Message) -> bytes:
    """A request in the JSON of OTLP: as protobuf's, but with hexadecimal ids and numbers for enums."""
    return json.dumps(_hexadecimal(json_format.MessageToDict(request, use_integers_for_enums=True))).encode()


def _hexadecimal(content: Any) -> Any:
    if isinstance(content, list):
        return [_hexadecimal(one) for one in content]
    if isinstance(content, dict):
        return {
            name: base64.b64decode(inner).hex() if name in _HEXADECIMAL else _hexadecimal(inner)
            for name, inner in content.items()
        }
    return content


def evaluation(**attributes: Any) -> ExportLogsServiceRequest:
    """A request with the result of an evaluation."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.evaluation.result"
    record.attributes.extend(pairs(attributes))
    return request


def gauge(points: int) -> ExportMetricsServiceRequest:
    """A request with a gauge."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue")
    for number in range(points):
        metric.gauge.data_points.add(as_double=number)
    return request


def send(ingest: Ingest, request: Message | bytes, *options: str, **headers: str) -> httpx2.Response:
    """Send a request as `send_once` does, and again while the server is busy, as exporters do."""
    for _ in range(20):
        answer = send_once(ingest, request, *options, **headers)
        if answer.status_code != 503:
            return answer
        assert answer.headers["retry-after"] == "5"
    raise AssertionError(answer.content)


def send_once(
    ingest: Ingest,
    request: Message | bytes,
    encoding: str = PROTOBUF,
    signal: str = "traces",
    key: str = "",
    **headers: str,
) -> httpx2.Response:
    """Send a request, or bytes as they are."""
    if isinstance(request, Message):
        request = as_json(request) if encoding == JSON else request.SerializeToString()
    return ingest.post(request, f"/v1/{signal}", key, content_type=encoding, **headers)


def rows_of(ingest: Ingest, stream: Stream = BOT) -> list[dict[str, Any]]:
    """The stored predictions of a stream."""
    with ingest.store.read() as connection:
        found = list(predictions.batches(connection, stream, 0, 2**33))
    return [row for batch in found for row in decode(batch.blob).to_pylist()]


def ids_of(ingest: Ingest, prefix: str, stream: Stream = BOT) -> list[str]:
    """The ids of the stored predictions that begin with `prefix`, sorted."""
    return sorted(row["id"] for row in rows_of(ingest, stream) if row["id"].startswith(prefix))
