"""How long the texts of a call are, whatever becomes of them (`monitor.sources.otlp.messages`).

Instrumentations attach messages as JSON texts, as nested values, or as one attribute for each message.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from monitor.sources.otlp.span import Attributes

MAX_DEPTH = 32
NOT_TEXT = frozenset(("role", "type", "id", "name", "finish_reason", "tool_call_id", "mime_type", "modality"))
"""Keys of a message whose values are not what somebody said."""
_SIMPLE = frozenset(("role", "parts", "content", "finish_reason"))
_INPUT = ("gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.prompt")
_OUTPUT = ("gen_ai.output.messages", "gen_ai.completion")
_PLAIN = (*_INPUT, *_OUTPUT)
_MESSAGES = "gen_ai.input.messages"
NUMBERED = re.compile(
    r"(?P<side>gen_ai\.prompt|gen_ai\.completion|llm\.input_messages|llm\.output_messages|llm\.prompts)"
    r"\.(?P<number>\d+)\.(?P<rest>.+)"
)
_NUMBERED_SIDES = ("gen_ai.prompt.", "gen_ai.completion.", "llm.")
NUMBERED_INPUT = frozenset(("gen_ai.prompt", "llm.input_messages", "llm.prompts"))
NUMBERED_TEXT = re.compile(r"(?:message\.)?(?:content|contents\.\d+\..*\.text|.*\.arguments)")
_REQUEST, _RESPONSE = "request_data", "response_data"
"""Logfire's attributes: the body of the request, and what it kept of the response."""


def decoded(value: object) -> Any:
    """A value that may be a JSON text; the text itself if it is none."""
    if isinstance(value, str) and value[:1] in '[{"':
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


class CallContent(NamedTuple):
    """The messages of a call, decoded once.

    `plain` are the attributes that hold all messages of a side, by name; `numbered` those of one message each, with the
    match of `NUMBERED`.
    """

    attributes: Attributes
    plain: Mapping[str, Any]
    numbered: Sequence[tuple[re.Match[str], object]]

    @property
    def request(self) -> dict[str, Any]:
        """Logfire's body of the request; empty without one."""
        return _object(self.attributes.get(_REQUEST))

    @property
    def response(self) -> dict[str, Any]:
        """What Logfire kept of the response; empty without one."""
        return _object(self.attributes.get(_RESPONSE))


def content_of(attributes: Attributes) -> CallContent:
    """The messages in the attributes of a span."""
    plain = {name: decoded(value) for name in _PLAIN if (value := attributes.get(name)) is not None}
    names = " ".join(attributes)
    if not any(side in names for side in _NUMBERED_SIDES):  # most have none
        return CallContent(attributes, plain, ())
    numbered = [
        (match, value)
        for key, value in attributes.items()
        if key.startswith(_NUMBERED_SIDES) and (match := NUMBERED.fullmatch(key)) is not None
    ]
    return CallContent(attributes, plain, numbered)


def _object(value: object) -> dict[str, Any]:
    content = decoded(value)
    return content if isinstance(content, dict) else {}


def sizes(content: CallContent) -> dict[str, int]:
    """The characters on both sides of a call, and the number of messages in the request, as far as they are known."""
    inputs, outputs, messages = _plain(content)
    for match, value in content.numbered:
        is_input = match["side"] in NUMBERED_INPUT
        if is_input and match["side"] != "llm.prompts":
            messages.add(match["number"])
        if NUMBERED_TEXT.fullmatch(match["rest"]):
            (inputs if is_input else outputs).append(characters(value))
    known = {}
    if inputs:
        known["input_characters"] = sum(inputs)
    if outputs:
        known["output_characters"] = sum(outputs)
    if messages:
        known["messages"] = len(messages)
    return known


def _plain(content: CallContent) -> tuple[list[int], list[int], set[Any]]:
    """The lengths of the attributes that hold all messages of a side, and one element for each message."""
    messages: set[Any] = set()
    plain = content.plain
    inputs = [characters(plain[name]) for name in _INPUT if name in plain]
    outputs = [characters(plain[name]) for name in _OUTPUT if name in plain]
    if isinstance(listed := plain.get(_MESSAGES), list):
        messages.update(range(len(listed)))
    if not inputs and (request := content.request):
        request_messages = request.get("messages", request.get("input"))
        inputs.append(characters(request_messages))
        messages.update(range(len(request_messages)) if isinstance(request_messages, list) else ())
    if not outputs and (response := content.response):
        outputs.append(characters(response.get("message", response.get("combined_chunk_content"))))
    return inputs, outputs, messages


def characters(value: object) -> int:
    """The length of all texts in a value, without the names of roles and kinds."""
    return len(value) if isinstance(value, str) else _characters(value, 0)


def simple_text(message: Mapping[str, Any]) -> str | None:
    """The text of a message with one text and nothing else, as most have; None if it has another form."""
    if not _SIMPLE.issuperset(message):
        return None
    parts = message.get("parts")
    if parts is None:
        content = message.get("content")
        return content if isinstance(content, str) else None
    if isinstance(parts, list) and len(parts) == 1 and "content" not in message:
        part = parts[0]
        if isinstance(part, dict) and len(part) == 2 and "type" in part:
            content = part.get("content")
            return content if isinstance(content, str) else None
    return None


def _characters(value: object, depth: int) -> int:
    if isinstance(value, dict):
        if (text := simple_text(value)) is not None and depth + 2 <= MAX_DEPTH:
            return len(text)
        inner = [one for name, one in value.items() if name not in NOT_TEXT]
    elif isinstance(value, list):
        inner = value
    else:
        return 0
    count = 0
    for one in inner:
        if isinstance(one, str):
            count += len(one)
        elif depth < MAX_DEPTH:
            count += _characters(one, depth + 1)
    return count
