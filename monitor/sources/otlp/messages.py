"""The texts of a call: who said what, in any of the notations of `monitor.sources.otlp.content`.

System messages are the system prompt, messages of tools are results of tools, all others of the request are the input.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from monitor.sources.otlp.content import (
    MAX_DEPTH,
    NOT_TEXT,
    NUMBERED,
    NUMBERED_INPUT,
    NUMBERED_TEXT,
    REQUEST,
    RESPONSE,
    decoded,
)
from monitor.sources.otlp.span import Attributes, Span

_SYSTEM = frozenset(("system", "developer"))
_TOOL = frozenset(("tool", "function"))
_CONTEXT = "watchkeeper.context"
"""The documents of a call, as a list or as a JSON text: for applications that know them when they call."""
_DOCUMENT = "retrieval.documents."
_DOCUMENT_TEXT = ".document.content"
_JSON = ("gen_ai.output.type", "gen_ai.openai.request.response_format", "gen_ai.request.response_format")


class _Said(NamedTuple):
    """One message; `role` is empty if the notation does not tell it."""

    is_input: bool
    role: str
    text: str


def texts(span: Span, documents: Iterable[str] = ()) -> dict[str, Any]:
    """The `texts` of a record; empty without content. `documents` are those that the trace has retrieved."""
    said = [one for one in _said(span.attributes) if one.text]
    found: dict[str, Any] = {
        "input": _joined(one.text for one in said if one.is_input and one.role not in _SYSTEM | _TOOL),
        "output": _joined(one.text for one in said if not one.is_input),
        "system": _joined(one.text for one in said if one.is_input and one.role in _SYSTEM),
        "tool_results": [one.text for one in said if one.is_input and one.role in _TOOL],
    }
    if any(found.values()):
        context = _written(decoded(span.attributes.get(_CONTEXT)))
        found["context"] = context or documents_of(span) or list(documents)
    return {name: value for name, value in found.items() if value}


def documents_of(span: Span) -> list[str]:
    """The documents that a span says were retrieved, in the notation of OpenInference."""
    return [
        value
        for key, value in span.attributes.items()
        if key.startswith(_DOCUMENT) and key.endswith(_DOCUMENT_TEXT) and isinstance(value, str)
    ]


def is_json_asked(attributes: Attributes) -> bool | None:
    """True if the request asked for JSON; None if it does not tell."""
    return True if any("json" in str(attributes.get(key, "")).lower() for key in _JSON) else None


def _said(attributes: Attributes) -> Iterator[_Said]:
    yield from _numbered(attributes)
    for instruction in _written(decoded(attributes.get("gen_ai.system_instructions"))):
        yield _Said(True, "system", instruction)
    inputs = [decoded(attributes.get(name)) for name in ("gen_ai.input.messages", "gen_ai.prompt")]
    outputs = [decoded(attributes.get(name)) for name in ("gen_ai.output.messages", "gen_ai.completion")]
    if not any(inputs) and isinstance(request := decoded(attributes.get(REQUEST)), Mapping):
        inputs = [request.get("messages", request.get("input"))]
    if not any(outputs) and isinstance(response := decoded(attributes.get(RESPONSE)), Mapping):
        outputs = [response.get("message", response.get("combined_chunk_content"))]
    for messages in inputs:
        yield from _messages(messages, is_input=True)
    for messages in outputs:
        yield from _messages(messages, is_input=False)


def _messages(messages: object, *, is_input: bool) -> Iterator[_Said]:
    for message in messages if isinstance(messages, list) else [messages]:
        role = message.get("role") if isinstance(message, Mapping) else None
        yield _Said(is_input, str(role or "").lower(), _joined(_written(message)))


def _numbered(attributes: Attributes) -> Iterator[_Said]:
    roles: dict[tuple[str, str], str] = {}
    parts: dict[tuple[str, str], list[str]] = {}
    for key, value in attributes.items():
        match = NUMBERED.fullmatch(key)
        if match is None or not isinstance(value, str):
            continue
        message = match["side"], match["number"]
        if match["rest"] in ("role", "message.role"):
            roles[message] = value.lower()
        elif NUMBERED_TEXT.fullmatch(match["rest"]):
            parts.setdefault(message, []).append(value)
    for message, texts_of_message in parts.items():
        is_input = message[0] in NUMBERED_INPUT
        yield _Said(is_input, roles.get(message, ""), _joined(texts_of_message))


def _written(value: object, depth: int = 0) -> list[str]:
    """All texts in a value in their order, without the names of roles and kinds."""
    if isinstance(value, str):
        return [value] if value else []
    if depth > MAX_DEPTH:
        return []
    inner: Iterable[object] = ()
    if isinstance(value, Mapping):
        inner = [one for name, one in value.items() if name not in NOT_TEXT]
    elif isinstance(value, list | tuple):
        inner = value
    return [text for one in inner for text in _written(one, depth + 1)]


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(parts)
