"""Responses to OTLP exporters, in the encoding of their request: JSON or protobuf."""

from enum import Enum, StrEnum

import msgspec

from monitor.web.ingest.reply import Reply

_GRPC_CODES = {400: 3, 401: 16, 403: 7, 405: 12, 413: 8, 429: 8, 503: 14}
"""google.rpc.Code by HTTP status."""
_UNKNOWN = 2
_ENCODE = msgspec.json.Encoder().encode


class OtlpSignal(StrEnum):
    """What a request carries."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class Encoding(Enum):
    """How a request is encoded; the value is the content type of its response."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


_REJECTED = {
    OtlpSignal.TRACES: "rejectedSpans",
    OtlpSignal.LOGS: "rejectedLogRecords",
    OtlpSignal.METRICS: "rejectedDataPoints",
}


def encoding_of(content_type: str) -> Encoding | None:
    """The encoding that a content type names; None for any other."""
    name = content_type.partition(";")[0].strip().lower()
    if name in ("application/x-protobuf", "application/protobuf"):
        return Encoding.PROTOBUF
    return Encoding.JSON if name == "application/json" else None


def of_success(encoding: Encoding, signal: OtlpSignal, rejected: int = 0, message: str = "") -> Reply:
    """200. `rejected` items were not accepted, and must not be sent again; `message` says why."""
    if encoding is Encoding.JSON:
        partial = {_REJECTED[signal]: str(rejected), "errorMessage": message}
        return _reply(200, encoding, _ENCODE({"partialSuccess": partial} if rejected else {}))
    partial_success = _number(1, rejected) + _bytes(2, message.encode(errors="replace"))
    return _reply(200, encoding, _bytes(1, partial_success) if rejected else b"")


def of_failure(encoding: Encoding, status: int, message: str, *more: tuple[str, str]) -> Reply:
    """An error with a google.rpc.Status, and additional headers `more`."""
    code = _GRPC_CODES.get(status, _UNKNOWN)
    if encoding is Encoding.JSON:
        return _reply(status, encoding, _ENCODE({"code": code, "message": message}), *more)
    return _reply(status, encoding, _number(1, code) + _bytes(2, message.encode(errors="replace")), *more)


def _reply(status: int, encoding: Encoding, body: bytes, *more: tuple[str, str]) -> Reply:
    headers = [
        (b"content-type", encoding.value.encode()),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in more),
    ]
    return Reply(status, headers, body)


def _number(field: int, value: int) -> bytes:
    """A protobuf field that holds a number."""
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    """A protobuf field that holds bytes, a text or a message."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
