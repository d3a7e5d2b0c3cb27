"""GenAI spans: which spans are calls of a language model, and the prediction that each becomes.

Instrumentations name the same figures differently. The tables have all names, the surest first: those of the semantic
conventions, of their earlier versions, and of OpenLLMetry (Traceloop), OpenInference, Logfire and LiteLLM. Texts are
measured as signals, and kept by the policy of the client.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from monitor.sources.otlp.content import content_of, decoded, sizes
from monitor.sources.otlp.messages import is_json_asked, texts
from monitor.sources.otlp.span import Attributes, Span
from monitor.text_limits import LABEL, NAME, flaw_of_name, storable

UNKNOWN_REASON = "unknown"
"""The prediction of a call whose finish reason is not in its span."""
_OPERATION = ("gen_ai.operation.name", "llm.request.type", "openinference.span.kind", "traceloop.span.kind")
_CALLS = frozenset(("chat", "completion", "text_completion", "generate_content", "llm"))
_OTHER_WORK = frozenset(("execute_tool", "invoke_agent", "create_agent", "tool", "agent"))
_NO_CALLS = frozenset(("raw_gen_ai_request",))
"""Names of spans that repeat their parent, which is a call."""
_RESPONSE_ID = ("gen_ai.response.id",)
_LOGFIRE_KIND = "logfire.span_type"
_OF_RESPONSE = (
    "gen_ai.response.id",
    "gen_ai.output.messages",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.finish_reasons",
    "response_data",
    "error.type",
)
_FINISH_REASON = ("gen_ai.response.finish_reasons", "llm.finish_reason", "gen_ai.completion.0.finish_reason")
_FIRST_CHUNK_SECONDS = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
_FIRST_CHUNK_EVENTS = frozenset(("gen_ai.content.completion.chunk", "First Token Stream Event"))
_ENVIRONMENT = ("watchkeeper.environment", "deployment.environment.name", "deployment.environment")
_ENVIRONMENTS = {
    "prod": "production",
    "live": "production",
    "stage": "staging",
    "stg": "staging",
    "preprod": "staging",
    "uat": "staging",
    "dev": "development",
    "test": "development",
    "local": "development",
}
_NO_SERVICE = "unknown_service"
"""What SDKs call a program without OTEL_SERVICE_NAME."""
_CLASS = re.compile(r"(?:<class ')?(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?:'>)?(?::|$)")
_LONGEST_CLASS = 200
_LARGEST = sys.float_info.max


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if value.isascii() and "\0" not in value and len(value) <= LABEL:
        return value
    return storable(value)[:LABEL]


def _number(value: object) -> float | None:
    """A finite number of at least 0, also as a text."""
    if type(value) is float and 0 <= value <= _LARGEST:  # most are
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


_Convert = Callable[[object], Any]
_Aliases = tuple[tuple[str, _Convert, tuple[str, ...]], ...]
_FIELDS: _Aliases = (
    ("version", _text, ("gen_ai.response.model", "llm.model_name")),
    (
        "cost",
        _number,
        ("gen_ai.cost.total_cost", "gen_ai.usage.cost", "operation.cost", "llm.cost.total"),
    ),
)
_FEATURES: _Aliases = (
    ("requested_model", _text, ("gen_ai.request.model", "llm.request.model")),
    ("stream", _flag, ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")),
    ("temperature", _number, ("gen_ai.request.temperature",)),
    ("top_p", _number, ("gen_ai.request.top_p",)),
    ("max_tokens", _number, ("gen_ai.request.max_tokens", "llm.request.max_tokens")),
    ("seed", _number, ("gen_ai.request.seed", "gen_ai.openai.request.seed")),
    (
        "input_tokens",
        _number,
        ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    ),
    (
        "output_tokens",
        _number,
        ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
    ),
    (
        "cached_tokens",
        _number,
        (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
    ),
    (
        "reasoning_tokens",
        _number,
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
        ),
    ),
)
_SEGMENTS: _Aliases = (
    ("provider", _text, ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")),
    ("requested_model", _text, ("gen_ai.request.model", "llm.request.model")),
)
_PARAMETERS = ("temperature", "top_p", "max_tokens", "seed")
"""Parameters of a request that OpenInference puts into one JSON text."""


def operation_of(span: Span) -> str:
    """What a span is about, in lower case; empty if it does not say."""
    return str(_first(span.attributes, _OPERATION, _text) or "").lower()


def is_call(span: Span, operation: str) -> bool:
    """Whether a span is a call of a language model."""
    if operation not in _CALLS or span.name in _NO_CALLS:
        return False
    return not (span.attributes.get(_LOGFIRE_KIND) == "span" and _is_begin_of_stream(span))


def _is_begin_of_stream(span: Span) -> bool:
    """Whether a span of Logfire only says that a stream began. A second one, in another trace, has the response."""
    return not span.failed and not any(name in span.attributes for name in _OF_RESPONSE)


def is_other_work(operation: str) -> bool:
    """Whether calls below a span belong to a tool or an agent, and not to the call above it."""
    return operation in _OTHER_WORK


def response_id(span: Span) -> str | None:
    """The provider's id of the response. OpenInference has it only in the response itself."""
    identifier: str | None = _first(span.attributes, _RESPONSE_ID, _text)
    if identifier is None and isinstance(response := _response(span.attributes), Mapping):
        identifier = _text(response.get("id"))
    return identifier


def choices_of(span: Span) -> int:
    """How many answers a call has, as far as its finish reasons tell."""
    reasons = decoded(span.attributes.get(_FINISH_REASON[0]))
    return max(1, len(reasons)) if isinstance(reasons, list) else 1


def stream_of(span: Span, client: str) -> tuple[str, str, str | None]:
    """Client, model and environment of a call; empty, or None, if it does not name them."""
    return named(span, "watchkeeper.client") or client, model_of(span) or "", environment_of(span)


def record_of(span: Span, client: str, documents: Iterable[str] = ()) -> dict[str, Any]:
    """The prediction of a call, in the notation of `POST /v1/predictions`. `client` is used if the span names none;
    `documents` are those that its trace has retrieved.
    """
    parameters = _parameters(span.attributes)
    attributes = {**span.attributes, **parameters} if parameters else span.attributes
    answered = response_id(span)
    content = content_of(span.attributes)
    start, end = _times(span)
    record = {
        "id": answered or span.id.hex(),
        "timestamp": start // 1000,
        "client": named(span, "watchkeeper.client") or client,
        "model": model_of(span),
        "environment": environment_of(span),
        **_known(_FIELDS, attributes),
        "features": _known(_FEATURES, attributes) | sizes(content),
        "segments": _known(_SEGMENTS, attributes),
    }
    if sent := texts(span, content, documents):
        record["texts"] = sent
    if (json_asked := is_json_asked(span.attributes)) is not None:
        record["json_asked"] = json_asked
    if 0 < start <= end:
        record["latency_ms"] = (end - start) / 1e6
    if (first_chunk := _first_chunk_ms(span)) is not None:
        record["features"]["ttft_ms"] = first_chunk
    if (error := error_of(span)) is None:
        record["finish_reason"] = _finish_reason(span.attributes)
        record["prediction"] = record["finish_reason"] or UNKNOWN_REASON
    else:
        record["error"] = error
        if answered is None:  # what stands there then is the model that was asked for
            record.pop("version", None)
    return record


def usage_of(span: Span) -> tuple[float | None, float | None, float | None]:
    """Input tokens, output tokens and cost of a call; None where it does not tell."""
    known = _known((*_FIELDS, *_FEATURES), span.attributes)
    return known.get("input_tokens"), known.get("output_tokens"), known.get("cost")


def _times(span: Span) -> tuple[int, int]:
    """Start and end in ns. Logfire reports a streamed response when it is complete, with its duration in seconds."""
    if span.attributes.get(_LOGFIRE_KIND) == "log":
        seconds = _number(span.attributes.get("duration"))
        if seconds is not None and (start := span.end - int(seconds * 1e9)) > 0:
            return start, span.end
    return span.start, span.end


def _known(aliases: _Aliases, attributes: Attributes) -> dict[str, Any]:
    """The fields of a table that have a value."""
    fields: dict[str, Any] = {}
    for name, convert, keys in aliases:
        for key in keys:
            if key in attributes and (value := convert(attributes[key])) is not None:
                fields[name] = value
                break
    return fields


def _first(attributes: Attributes, keys: Iterable[str], convert: _Convert) -> Any:
    """The first value that exists and has the right type."""
    for key in keys:
        if key in attributes and (value := convert(attributes[key])) is not None:
            return value
    return None


def named(span: Span, name: str) -> str | None:
    """An attribute of a span, or else of its resource."""
    own, common = span.attributes, span.resource
    return (_text(own[name]) if name in own else None) or (_text(common[name]) if name in common else None)


def model_of(span: Span) -> str | None:
    """What the attributes name, or else the service, or else the model that was asked for."""
    if (chosen := named(span, "watchkeeper.model")) is not None:
        return chosen
    service = _text(span.resource.get("service.name"))
    if service is not None and not service.startswith(_NO_SERVICE) and (name := as_name(service)):
        return name
    candidates = (_text(span.attributes.get(key)) for key in (*_SEGMENTS[1][2], *_FIELDS[0][2]))
    return next((name for text in candidates if text and (name := as_name(text))), None)


@lru_cache(1024)
def as_name(text: str) -> str | None:
    """The name of a model made of any text, without slashes: `openai/gpt-4o` becomes `openai-gpt-4o`."""
    visible = "".join(one if one.isprintable() else " " for one in re.sub(r"[/\\]", "-", text))
    name = " ".join(visible.split())[:NAME].strip()
    return None if flaw_of_name(name) else name


def environment_of(span: Span) -> str | None:
    """The environment that a span or its resource names; None if they name none."""
    environment = next((name for key in _ENVIRONMENT if (name := named(span, key))), None)
    return None if environment is None else _ENVIRONMENTS.get(environment.lower(), environment.lower())


def _parameters(attributes: Attributes) -> dict[str, Any]:
    """The parameters of a request in the notation of the semantic conventions, from OpenInference's JSON text."""
    parameters = decoded(attributes.get("llm.invocation_parameters"))
    if not isinstance(parameters, Mapping):
        return {}
    return {
        f"gen_ai.request.{name}": parameters[name]
        for name in (*_PARAMETERS, "model", "stream")
        if name in parameters
    }


def _response(attributes: Attributes) -> object:
    return decoded(attributes.get("output.value"))


def _finish_reason(attributes: Attributes) -> str | None:
    """The distinct reasons of all choices; one in most cases."""
    for key in _FINISH_REASON:
        if key not in attributes:
            continue
        reasons = decoded(attributes.get(key))
        listed = reasons if isinstance(reasons, list) else [reasons]
        if texts := sorted({text for reason in listed if (text := _text(reason))}):
            return ",".join(texts)[:LABEL]
    response = _response(attributes)
    choices = response.get("choices") if isinstance(response, Mapping) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return _text(choices[0].get("finish_reason"))
    return None


def _first_chunk_ms(span: Span) -> float | None:
    """The time to the first piece of a streamed response."""
    seconds = _first(span.attributes, _FIRST_CHUNK_SECONDS, _number)
    if seconds is not None:
        return float(seconds) * 1e3
    times = [event.time for event in span.events if event.name in _FIRST_CHUNK_EVENTS]
    return (min(times) - span.start) / 1e6 if times and min(times) >= span.start > 0 else None


def error_of(span: Span) -> str | None:
    """The kind of failure: a class without its package, or a code. Never a message, which may quote a prompt."""
    named = _text(span.attributes.get("error.type"))
    if named is not None:
        return _class_of(named) or named
    if not span.failed:
        return None
    raised = [event.attributes.get("exception.type") for event in span.events if event.name == "exception"]
    return _class_of(_text(raised[-1]) if raised else None) or _class_of(span.message) or "error"


def _class_of(text: str | None) -> str | None:
    """The class that a text names or begins with: `RateLimitError` of `openai.RateLimitError: 429`."""
    match = _CLASS.match((text or "")[:_LONGEST_CLASS])
    return match[1] if match else None
