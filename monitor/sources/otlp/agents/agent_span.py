"""What a run keeps of a span: of an agent, of a tool that it executes, of a call of a language model, or of a span
between them.

Instrumentations name the same things differently. The tables have all names, the surest first: those of the semantic
conventions, of OpenLLMetry (Traceloop), OpenInference and Pydantic AI.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from monitor.sources.otlp import genai
from monitor.sources.otlp.content import decoded
from monitor.sources.otlp.span import Attributes, Span
from monitor.text_limits import LABEL, storable

AGENTS, TOOLS = frozenset(("invoke_agent", "agent")), frozenset(("execute_tool", "tool"))
"""Operations."""
_AGENT_NAME = ("gen_ai.agent.name", "agent.name", "agent_name", "traceloop.entity.name")
_TOOL_NAME = ("gen_ai.tool.name", "tool.name", "tool_call.function.name", "traceloop.entity.name")
_ARGUMENTS = ("gen_ai.tool.call.arguments", "tool_arguments", "input.value", "traceloop.entity.input")
_WRAPPED = ("inputs", "input_str")
"""Keys of OpenLLMetry's input of a tool. Beside the arguments, it has the number of the step."""
_HIDDEN = frozenset(("__REDACTED__", "", None))
_UNNAMED_AGENT, _UNNAMED_TOOL_CALL = "agent run", "gen_ai.tool.call.id"
"""How Pydantic AI named the spans of an agent and of a tool before it named their operation."""
_TOKENS = ("gen_ai.aggregated_usage.input_tokens", "gen_ai.aggregated_usage.output_tokens")
_TOOL = re.compile(r"[A-Za-z_][\w.:/-]{0,63}", re.ASCII)
"""Names that model providers accept for tools. Others may hold an id, and would make a feature each."""
_SUFFIX = " agent"


class Kind(StrEnum):
    """What a span is to a run."""

    AGENT = "agent"
    TOOL = "tool"
    CALL = "call"
    FRAME = "frame"


class AgentFields(msgspec.Struct, frozen=True):
    """What the record of a run has of the span of its agent."""

    client: str
    model: str
    environment: str | None
    version: str | None


class AgentSpan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A span of a run. Times are in ns since the epoch; ids are hexadecimal. `is_entry` is as for a `Span`.

    `name` is that of a tool, if it is known. `same` is a digest that equal calls of a tool have, or equal calls of a
    language model by their response; empty if it is not known. `usage`: tokens in and out, and cost.
    """

    id: str
    parent: str
    kind: Kind
    is_entry: bool = False
    start: int = 0
    end: int = 0
    name: str = ""
    same: str = ""
    error: str | None = None
    usage: tuple[float | None, float | None, float | None] = (None, None, None)
    base: AgentFields | None = None


def kind_of(span: Span, operation: str) -> Kind:
    """What a span is; FRAME if it is nothing of its own."""
    if operation in AGENTS or (not operation and span.name == _UNNAMED_AGENT) or _is_chain_of_agent(span):
        return Kind.AGENT
    if operation in TOOLS or (not operation and _UNNAMED_TOOL_CALL in span.attributes):
        return Kind.TOOL
    return Kind.CALL if genai.is_call(span, operation) else Kind.FRAME


def _is_chain_of_agent(span: Span) -> bool:
    """Whether OpenInference has traced an agent of LangChain, which it calls a chain."""
    if span.attributes.get("openinference.span.kind") != "CHAIN" or "metadata" not in span.attributes:
        return False
    metadata = decoded(span.attributes["metadata"])
    return isinstance(metadata, Mapping) and metadata.get("lc_agent_name") == span.name


def agent_span(span: Span, kind: Kind, client: str) -> AgentSpan:
    """What is kept of a span. `client` is used if it names none."""
    ids = span.id.hex(), span.parent.hex(), kind, span.is_entry
    if kind is Kind.FRAME:
        return AgentSpan(*ids)
    times, error = (span.start, span.end), genai.error_of(span)
    if kind is Kind.TOOL:
        tool = _tool(span)
        return AgentSpan(*ids, *times, tool, _same_call(span, tool), error)
    if kind is Kind.CALL:
        response = genai.response_id(span) or ""
        same = hashlib.sha256(span.trace + response.encode(errors="replace")).hexdigest()[:16]
        return AgentSpan(*ids, *times, "", same if response else "", error, genai.usage_of(span))
    return AgentSpan(*ids, *times, "", "", error, _own_usage(span), base_of(span, client))


def base_of(span: Span, client: str) -> AgentFields:
    """The stream of an agent's runs, and its version.

    The model is what `watchkeeper.agent` names, or else the agent; but never that of calls, whose figures are others.
    """
    service = genai.model_of(span) or ""
    named = genai.named(span, "watchkeeper.agent") or _first(span.attributes, _AGENT_NAME)
    if not named and _is_chain_of_agent(span):
        named = span.name
    model = genai.as_name(named) if named else None
    if model in (None, service):
        model = genai.as_name(f"{service}{_SUFFIX}") if service else None
    version = genai.named(span, "gen_ai.agent.version") or genai.named(span, "service.version")
    owner = genai.named(span, "watchkeeper.client") or client
    return AgentFields(owner, model or "", genai.environment_of(span), version)


def _tool(span: Span) -> str:
    """The name of a tool; empty if it has none that can be a feature's."""
    name = _first(span.attributes, _TOOL_NAME) or span.name.removeprefix("execute_tool ")
    return name if _TOOL.fullmatch(name) else ""


def _same_call(span: Span, tool: str) -> str:
    """A digest of a tool with its arguments, which differs from trace to trace; empty if they are not known.

    Arguments may quote a person, and are not kept.
    """
    attribute = next((span.attributes[name] for name in _ARGUMENTS if name in span.attributes), None)
    arguments = _plain(attribute)
    if isinstance(arguments, str | None) and arguments in _HIDDEN:
        return ""
    try:
        plain = msgspec.json.encode(arguments, order="sorted")
    except (TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(span.trace + tool.encode() + b"\0" + plain).hexdigest()[:16]


def _plain(arguments: object) -> Any:
    """Arguments as values, in whatever text they came."""
    parsed = decoded(arguments)
    if isinstance(parsed, Mapping):
        for key in _WRAPPED:
            if parsed.get(key) and parsed.keys() > {key}:
                return _plain(parsed[key])
        return parsed
    if isinstance(parsed, str) and parsed[:1] == "{" and len(parsed) <= LABEL:
        try:  # as Python writes them
            return ast.literal_eval(parsed)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return parsed
    return parsed


def _own_usage(span: Span) -> tuple[float | None, float | None, float | None]:
    """The tokens and the cost that the span of an agent tells of its whole run."""
    given, made, cost = genai.usage_of(span)
    whole = [span.attributes.get(name) for name in _TOKENS]
    sums = [float(one) if isinstance(one, int) and one >= 0 else None for one in whole]
    return (given if sums[0] is None else sums[0], made if sums[1] is None else sums[1], cost)


def _first(attributes: Attributes, names: tuple[str, ...]) -> str:
    """The first text under one of these names; empty if there is none."""
    flag = (attributes.get(name) for name in names)
    return next((storable(text)[:LABEL] for text in flag if isinstance(text, str) and text), "")
