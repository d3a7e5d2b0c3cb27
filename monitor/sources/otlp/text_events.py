"""The texts of calls that instrumentations write apart from their spans: as log records, or as events of a span.

The semantic conventions have had three forms: one event for each message and each choice
(`gen_ai.user.message`, `gen_ai.choice`), whose content is the body of a log record; two events of a span
(`gen_ai.content.prompt`, `gen_ai.content.completion`); and one event with everything
(`gen_ai.client.inference.operation.details`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from monitor.sources.otlp.content import content_of, decoded
from monitor.sources.otlp.messages import SYSTEM, ChatMessage, by_side, said, text_of
from monitor.sources.otlp.span import Attributes, LogRecord, Span
from monitor.text_limits import LABEL, storable

_WHOLE = "gen_ai.client.inference.operation.details"
_CHOICE = "gen_ai.choice"
_MESSAGES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CONTENT = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}
_IN_ATTRIBUTE = "gen_ai.event.content"
"""Where events of spans have what is the body of a log record."""
_DOCUMENT = "context"
EVENTS = frozenset((_WHOLE, _CHOICE, *_MESSAGES, *_CONTENT))


@dataclass(frozen=True, slots=True)
class Part:
    """What one event says of a call: `time` in ns, `place` among the events of its request.

    `is_whole`: it has all texts of the call. `is_choice`: it is one of the answers, with its finish reason.
    """

    time: int
    place: int
    said: Sequence[ChatMessage]
    is_whole: bool = False
    is_choice: bool = False
    finish_reason: str = ""

    @property
    def key(self) -> str:
        """What identifies the event, also when it is sent again with others."""
        content = (self.time, self.said, self.is_whole, self.is_choice)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def encoded(self) -> bytes:
        """As bytes, which `decoded_part` reads. Halves of surrogate pairs survive."""
        content = (self.time, self.place, self.said, self.is_whole, self.is_choice, self.finish_reason)
        return json.dumps(content).encode()


def decoded_part(content: bytes) -> Part:
    """Raises ValueError or TypeError for bytes that `Part.encoded` has not written."""
    time, place, messages, is_whole, is_choice, reason = json.loads(content)
    said_there = [ChatMessage(bool(is_input), str(role), str(text)) for is_input, role, text in messages]
    return Part(int(time), int(place), said_there, bool(is_whole), bool(is_choice), str(reason))


def part_of_context(documents: Iterable[str]) -> Part | None:
    """The documents that a span names, as a part of the texts of its call."""
    messages = [ChatMessage(is_input=True, role=_DOCUMENT, text=document) for document in documents]
    return Part(0, 0, messages) if messages else None


def part_of(record: LogRecord, place: int) -> Part | None:
    """The texts of a log record with one of `EVENTS`; None if it has none."""
    return _part(record.event, record.body, record.attributes, record.time, place)


def parts_of(span: Span) -> list[Part]:
    """The texts in the events of a span."""
    texts = (
        _part(event.name, None, event.attributes, event.time, place)
        for place, event in enumerate(span.events)
        if event.name in EVENTS
    )
    return [part for part in texts if part is not None]


def is_said(part: Part) -> bool:
    """Whether a part is more than documents."""
    return any(one.role != _DOCUMENT for one in part.said)


def is_complete(parts: Iterable[Part], choices: int) -> bool:
    """Whether these are all texts of a call with so many choices."""
    parts = list(parts)
    if any(part.is_whole for part in parts):
        return True
    not_input = {_DOCUMENT, *SYSTEM}
    has_input = any(one.is_input and one.role not in not_input for part in parts for one in part.said)
    return has_input and sum(part.is_choice for part in parts) >= choices


def completed(record: Mapping[str, Any], parts: Iterable[Part], unknown_reason: str) -> dict[str, Any]:
    """The record of a call with the texts of its events, in the order in which they were written.

    A finish reason is taken from the events where the span has none (`unknown_reason`).
    """
    ordered = sorted(parts, key=attrgetter("time", "place"))
    whole = [part for part in ordered if part.is_whole]
    documents = [one.text for part in ordered for one in part.said if one.role == _DOCUMENT]
    messages = [one for part in (whole[:1] or ordered) for one in part.said if one.role != _DOCUMENT]
    if not (texts := by_side(messages, documents)):
        return dict(record)
    inputs = [message for message in messages if message.is_input]
    outputs = [message for message in messages if not message.is_input]
    sizes = {"input_characters": _length(inputs), "output_characters": _length(outputs)}
    features = {name: size for name, size in sizes.items() if size} | (
        {"messages": len(inputs)} if inputs else {}
    )
    made = {**record, "texts": texts, "features": {**record["features"], **features}}
    reasons = sorted({part.finish_reason for part in ordered if part.finish_reason})
    if reasons and record.get("prediction") == unknown_reason:
        made["finish_reason"] = made["prediction"] = ",".join(reasons)[:LABEL]
    return made


def _part(event: str, body: object, attributes: Attributes, time: int, place: int) -> Part | None:
    if event == _WHOLE:
        messages = list(said(content_of(attributes)))
        return Part(time, place, messages, is_whole=True) if messages else None
    if event in _CONTENT:
        name = _CONTENT[event]
        messages = list(said(content_of({name: attributes.get(name)})))
        return Part(time, place, messages, is_choice=name == "gen_ai.completion") if messages else None
    content = body if body is not None else decoded(attributes.get(_IN_ATTRIBUTE))
    if content is None:  # some have no body, and its fields as attributes
        content = {name: one for name, one in attributes.items() if not name.startswith("gen_ai.")}
    about = content if isinstance(content, Mapping) else {}
    if event == _CHOICE:
        answer = about.get("message", content)
        reason = storable(str(about.get("finish_reason") or ""))[:LABEL]
        message = ChatMessage(is_input=False, role="assistant", text=text_of(answer))
        return Part(time, place, [message], is_choice=True, finish_reason=reason)
    role = about.get("role")
    message = ChatMessage(
        is_input=True, role=role.lower() if isinstance(role, str) else _MESSAGES[event], text=text_of(content)
    )
    return Part(time, place, [message]) if message.text else None


def _length(messages: Iterable[ChatMessage]) -> int:
    return sum(len(message.text) for message in messages)
