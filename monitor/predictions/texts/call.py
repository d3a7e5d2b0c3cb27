"""What a record says about one call of a language model: its texts, its usage, and how it ended.

A text that is too long is cut, and what cannot be stored in a text is replaced: a call is never refused for that. Error
messages name the field, never what it contains.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.predictions.intake.validation import RecordError, boolean, kind_of, known_number, label
from monitor.text_limits import shortened, storable
from monitor.visible import visible

if TYPE_CHECKING:  # pydantic is slow to load, and a comparison of files does not need it
    from monitor.predictions.settings import PredictionSettings

SINGLE = ("input", "output", "system")
LISTS = ("context", "tool_results", "samples")
"""Texts of which a call may have several: documents, results of tools, further answers to the same input."""
USAGE = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
FIELDS = frozenset(("texts", "usage", "ttft_ms", "finish_reason", "json_asked", "token_logprobs"))
"""The fields of a record that belong to a call."""
UNKNOWN_REASON = "unknown"
"""The prediction of an answered call that has neither a prediction nor a finish reason."""
MOST_TEXTS = 100
"""Texts in one list."""
_INNER = ("text", "content", "page_content")
"""Where the text is in an object, such as a document of LangChain or a part of a message."""


class Call(msgspec.Struct, gc=False):
    """A call after checking. `figures` are its tokens and its time to first token; `cut` names what was not kept."""

    texts: dict[str, str | list[str]] = {}
    figures: dict[str, float] = {}
    finish_reason: str | None = None
    json_asked: bool | None = None
    token_logprobs: list[float] | None = None
    cut: set[str] = set()

    @property
    def answer(self) -> str | None:
        """What counts as the prediction if the record has none; None without an answer."""
        return self.finish_reason or (UNKNOWN_REASON if "output" in self.texts else None)


def read_call(fields: Mapping[str, Any], settings: "PredictionSettings") -> Call:
    """The call in a record.

    Raises:
        RecordError: a field has a wrong type.
    """
    call = Call()
    _read_texts(call, fields.get("texts"), settings)
    _read_usage(call, fields.get("usage"))
    if (first_token := _figure("ttft_ms", fields.get("ttft_ms"))) is not None:
        call.figures["ttft_ms"] = first_token
    if fields.get("finish_reason") is not None:
        call.finish_reason = storable(_reason(fields["finish_reason"], settings.max_label)) or None
    if fields.get("json_asked") is not None:
        call.json_asked = boolean("json_asked", fields["json_asked"])
    if fields.get("token_logprobs") is not None:
        call.token_logprobs = _numbers(call, "token_logprobs", fields["token_logprobs"], settings.max_list)
    return call


def _read_texts(call: Call, value: object, settings: "PredictionSettings") -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        hint = 'name each text: {"input": "...", "output": "..."}'
        raise RecordError(
            "invalid", f"texts is {kind_of(value)}, not an object of names and texts", hint=hint
        )
    for name, content in value.items():
        where = f"texts.{name}"
        if content is None:
            continue
        if name in SINGLE:
            call.texts[name] = _text(call, where, content, settings.max_text)
        elif name in LISTS:
            call.texts[name] = _list(call, where, content, settings.max_text)
        else:
            call.cut.add(shortened(visible(where)))


def _text(call: Call, where: str, content: object, most: int) -> str:
    text = content if isinstance(content, str) else _inner(content)
    if text is None:
        raise RecordError("invalid", f"{where} is {kind_of(content)}, not a text", hint="send a text")
    if len(text) > most:
        call.cut.add(f"{where} beyond {most:,} characters")
        text = text[:most]
    return storable(text)


def _inner(content: object) -> str | None:
    """The text of an object that has one, such as `{"page_content": "..."}`; numbers as they are written."""
    if isinstance(content, Mapping):
        content = next((content[name] for name in _INNER if isinstance(content.get(name), str)), None)
    if isinstance(content, int | float) and not isinstance(content, bool):
        return label("texts", content, 400)
    return content if isinstance(content, str) else None


def _list(call: Call, where: str, content: object, most: int) -> list[str]:
    texts = content if isinstance(content, list) else [content]
    if len(texts) > MOST_TEXTS:
        call.cut.add(f"{where} beyond {MOST_TEXTS} texts")
    return [_text(call, where, text, most) for text in texts[:MOST_TEXTS] if text is not None]


def _read_usage(call: Call, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        hint = 'such as {"input_tokens": 310, "output_tokens": 42}'
        raise RecordError(
            "invalid", f"usage is {kind_of(value)}, not an object of names and numbers", hint=hint
        )
    for name, amount in value.items():
        if name not in USAGE:
            call.cut.add(shortened(visible(f"usage.{name}")))
        elif (figure := _figure(f"usage.{name}", amount)) is not None:
            call.figures[name] = figure


def _figure(where: str, value: object) -> float | None:
    number = None if value is None else known_number(where, value)
    if number is not None and number < 0:
        raise RecordError("invalid", f"{where} is {number}, below zero")
    return number


def _reason(value: object, limit: int) -> str:
    """One reason, or several: the choices of one call."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ",".join(sorted(set(value)))[:limit]
    return label("finish_reason", value, limit) if value != "" else ""


def _numbers(call: Call, where: str, value: object, most: int) -> list[float]:
    if not isinstance(value, list):
        raise RecordError("invalid", f"{where} is {kind_of(value)}, not a list of numbers")
    if len(value) > most:
        call.cut.add(f"{where} beyond {most:,} numbers")
    return list(filter(_is_number, (known_number(where, one) for one in value[:most])))  # type: ignore[arg-type]


def _is_number(value: float | None) -> bool:
    return value is not None


Texts = Mapping[str, str | Sequence[str]]
Reader = Callable[[Mapping[str, Any], "PredictionSettings"], Call]
