"""What OTLP carries, independent of its encoding. Attributes are plain Python values."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Attributes = Mapping[str, Any]


class SpanEvent(msgspec.Struct, frozen=True):
    """Something that happened during a span; `time` in ns since the epoch, 0 if it is unknown."""

    name: str
    time: int
    attributes: Attributes


class Span(msgspec.Struct, frozen=True):
    """A span. Times are in ns since the epoch, 0 if unknown; `parent` is empty for a root span.

    `failed`: its status is ERROR, and `message` describes it. `resource` are the attributes of the program that
    made it. `is_entry`: its parent is in another program, as far as the span tells.
    """

    trace: bytes
    id: bytes
    parent: bytes
    name: str
    start: int
    end: int
    attributes: Attributes
    resource: Attributes
    events: Sequence[SpanEvent] = ()
    failed: bool = False
    message: str = ""
    is_entry: bool = False


class LogRecord(msgspec.Struct, frozen=True):
    """A log record. `trace` and `span` are those in which it was written; `scope` wrote it. `time` is in ns since the
    epoch, 0 if unknown. `body` is read only of events of language models (`GENAI`).
    """

    event: str
    attributes: Attributes
    resource: Attributes = {}
    trace: bytes = b""
    span: bytes = b""
    scope: str = ""
    scope_version: str = ""
    time: int = 0
    body: Any = None


class RefusedItem(msgspec.Struct, frozen=True):
    """An item that cannot be decoded, while the others of its request can."""

    reason: str


TRACE_BYTES, SPAN_BYTES = 16, 8
MAX_ITEM_BYTES = 4_000_000
"""Largest encoded span. Decoding takes up to 25 times as much memory."""
MAX_PARTS = 20_000
"""Attributes, and events, of a span. Each attribute takes many times its bytes in memory."""
MAX_EVENTS = 1000
"""Events of a span that are read: the first ones and the last one. Some write one for each piece of a stream."""
GENAI = "gen_ai."
"""How the names of events of language models begin."""
EVENT_NAME = "event.name"
"""The attribute that names the event of a log record in older SDKs."""


_SERVER, _CONSUMER = 2, 5
"""Kinds of spans that another program has caused."""
_TELLS, _REMOTE = 0x100, 0x200
"""Flags: whether a span tells if its parent is in another program, and whether it is."""


def is_entry(kind: int, flags: int) -> bool:
    """Whether a span of this kind with these flags has its parent in another program."""
    return bool(flags & _REMOTE) if flags & _TELLS else kind in (_SERVER, _CONSUMER)


def first_and_last(events: Sequence[Any]) -> list[Any]:
    """The events of a span that are read."""
    return [*events[:MAX_EVENTS], *events[MAX_EVENTS:][-1:]]


def flaw_of(trace: bytes, span: bytes) -> str:
    """Why a span cannot be identified, in words; empty if it can."""
    if len(trace) != TRACE_BYTES or not any(trace):
        return "traceId is missing or not 16 bytes"
    return "" if len(span) == SPAN_BYTES and any(span) else "spanId is missing or not 8 bytes"
