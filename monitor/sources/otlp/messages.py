"""The texts of a call: who said what, in any of the notations of `monitor.sources.otlp.content`.

System messages are the system prompt, messages of tools are results of tools, all others of the request are the input.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from monitor.sources.otlp.content import (
    MAX_DEPTH,
    NOT_TEXT,
    NUMBERED_INPUT,
    NUMBERED_TEXT,
    CallContent,
    decoded,
    simple_text,
)
from monitor.sources.otlp.span import Attributes, Span

SYSTEM = frozenset(("system", "developer"))
_TOOL = frozenset(("tool", "function"))
_CONTEXT = "watchkeeper.context"
"""The documents of a call, as a list or as a JSON text: for applications that know them when they call."""
_DOCUMENT = "retrieval.documents."
_DOCUMENT_TEXT = ".document.content"
_JSON = ("gen_ai.output.type", "gen_ai.openai.request.response_format", "gen_ai.request.response_format")


class ChatMessage(NamedTuple):
    """One message; `role` is empty if the notation has none."""

    is_input: bool
    role: str
    text: str


def texts(span: Span, content: CallContent, documents: Iterable[str] = ()) -> dict[str, Any]:
    """The `texts` of a record; empty without content. `documents` are those that the trace has retrieved."""
    return by_side(said(content), context_of(span, documents))


def context_of(span: Span, documents: Iterable[str]) -> list[str]:
    """The documents of a call: those that its span names, or else `documents`, which its trace has retrieved."""
    return _written(decoded(span.attributes.get(_CONTEXT))) or documents_of(span) or list(documents)


def by_side(messages: Iterable[ChatMessage], context: Iterable[str]) -> dict[str, Any]:
    """The `texts` of a record from what was said; empty if nothing was."""
    inputs: list[str] = []
    outputs: list[str] = []
    system: list[str] = []
    tools: list[str] = []
    for is_input, role, text in messages:
        if text:
            side = system if role in SYSTEM else tools if role in _TOOL else inputs
            (side if is_input else outputs).append(text)
    if not (inputs or outputs or system or tools):
        return {}
    by_name: dict[str, Any] = {
        "input": _joined(inputs),
        "output": _joined(outputs),
        "system": _joined(system),
        "tool_results": tools,
        "context": list(context),
    }
    return {name: value for name, value in by_name.items() if value}


def documents_of(span: Span) -> list[str]:
    """The documents that a span says were retrieved, in the notation of OpenInference."""
    if _DOCUMENT not in " ".join(span.attributes):  # most have none
        return []
    return [
        value
        for key, value in span.attributes.items()
        if key.startswith(_DOCUMENT) and key.endswith(_DOCUMENT_TEXT) and isinstance(value, str)
    ]


def is_json_asked(attributes: Attributes) -> bool | None:
    """True if the request asked for JSON; None if that is not known."""
    return (
        True if any(key in attributes and "json" in str(attributes[key]).lower() for key in _JSON) else None
    )


def said(content: CallContent) -> Iterator[ChatMessage]:
    """The messages in the attributes of a call, in order."""
    if content.numbered:
        yield from _numbered(content)
    plain = content.plain
    for instruction in _written(plain.get("gen_ai.system_instructions")):
        yield ChatMessage(True, "system", instruction)
    inputs = [plain.get(name) for name in ("gen_ai.input.messages", "gen_ai.prompt")]
    outputs = [plain.get(name) for name in ("gen_ai.output.messages", "gen_ai.completion")]
    if not any(inputs) and (request := content.request):
        inputs = [request.get("messages", request.get("input"))]
    if not any(outputs) and (response := content.response):
        outputs = [response.get("message", response.get("combined_chunk_content"))]
    for messages in inputs:
        if messages:
            yield from _messages(messages, is_input=True)
    for messages in outputs:
        if messages:
            yield from _messages(messages, is_input=False)


def _messages(messages: object, *, is_input: bool) -> Iterator[ChatMessage]:
    for message in messages if isinstance(messages, list) else [messages]:
        role = message.get("role") if isinstance(message, dict) else None
        yield ChatMessage(is_input, str(role or "").lower(), _joined(_written(message)))


def _numbered(content: CallContent) -> Iterator[ChatMessage]:
    roles: dict[tuple[str, str], str] = {}
    parts: dict[tuple[str, str], list[str]] = {}
    for match, value in content.numbered:
        if not isinstance(value, str):
            continue
        message = match["side"], match["number"]
        if match["rest"] in ("role", "message.role"):
            roles[message] = value.lower()
        elif NUMBERED_TEXT.fullmatch(match["rest"]):
            parts.setdefault(message, []).append(value)
    for message, texts_of_message in parts.items():
        is_input = message[0] in NUMBERED_INPUT
        yield ChatMessage(is_input, roles.get(message, ""), _joined(texts_of_message))


def _written(value: object) -> list[str]:
    """All texts in a value in their order, without the names of roles and kinds."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict) and (text := simple_text(value)) is not None:
        return [text] if text else []
    texts: list[str] = []
    _write(value, texts, 0)
    return texts


def _write(value: object, texts: list[str], depth: int) -> None:
    """Add the texts in an object or a list to `texts`."""
    if isinstance(value, dict):
        inner = [one for name, one in value.items() if name not in NOT_TEXT]
    elif isinstance(value, list | tuple):
        inner = value  # type: ignore[assignment]
    else:
        return
    for one in inner:
        if isinstance(one, str):
            if one:
                texts.append(one)
        elif depth < MAX_DEPTH:
            _write(one, texts, depth + 1)


def text_of(value: object) -> str:
    """All texts in a value, each on a line, without the names of roles and kinds."""
    return _joined(_written(value))


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "\n".join(parts)
