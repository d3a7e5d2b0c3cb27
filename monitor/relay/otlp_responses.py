"""What an answer of the daemon to OTLP says, in the encoding of the request: protobuf or JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.web.ingest.otlp_reply import Encoding, OtlpSignal, encoding_of

PATHS = {f"/v1/{signal.value}": signal for signal in OtlpSignal}
_LONGEST_VARINT = 10


def read_success(content_type: str, body: bytes) -> tuple[int, str] | None:
    """How many items the daemon does not accept, and why; None if this is no answer to OTLP."""
    match encoding_of(content_type):
        case Encoding.PROTOBUF:
            fields = _fields(body)
            if fields is None or fields.keys() - {1}:
                return None
            partial = _fields(_bytes(fields, 1))
            return None if partial is None else (_number(partial, 1), _text(partial, 2))
        case Encoding.JSON:
            content = _object(body)
            if content is None or content.keys() - {"partialSuccess"}:
                return None
            return _partial(content.get("partialSuccess", {}))
    return None


def read_failure(content_type: str, body: bytes) -> str:
    """The message of an error of the daemon; empty if it is somebody else's."""
    match encoding_of(content_type):
        case Encoding.PROTOBUF:
            fields = _fields(body)
            return _text(fields, 2) if fields and fields.keys() <= {1, 2} else ""
        case Encoding.JSON:
            status = _object(body) or {}
            return str(status["message"]) if "code" in status and status.get("message") else ""
    return ""


def _partial(partial: Any) -> tuple[int, str] | None:
    if not isinstance(partial, dict):
        return None
    texts = (str(value) for name, value in partial.items() if name.startswith("rejected"))
    rejected = next((int(text) for text in texts if text.isdecimal() and len(text) < 10), 0)
    return rejected, str(partial.get("errorMessage", ""))


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _fields(body: bytes) -> Mapping[int, int | bytes] | None:
    """The fields of a protobuf message by number, numbers and bytes only; None if it is none."""
    fields, at = dict[int, int | bytes](), 0
    while at < len(body):
        tag, at = _varint(body, at)
        number, kind = tag >> 3, tag & 7
        value, at = _varint(body, at) if at >= 0 and kind in (0, 2) else (0, -1)
        if at < 0 or (kind == 2 and at + value > len(body)):
            return None
        if kind == 2:
            fields[number], at = body[at : at + value], at + value
        else:
            fields[number] = value
    return fields


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number and the place after it; the place is -1 if there is none."""
    value = 0
    for place, byte in enumerate(body[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    return 0, -1


def _bytes(fields: Mapping[int, int | bytes], number: int) -> bytes:
    value = fields.get(number, b"")
    return value if isinstance(value, bytes) else b""


def _number(fields: Mapping[int, int | bytes], number: int) -> int:
    value = fields.get(number, 0)
    return value if isinstance(value, int) else 0


def _text(fields: Mapping[int, int | bytes], number: int) -> str:
    return _bytes(fields, number).decode("utf-8", "replace")
