"""Spans as instrumentations write them: which are agents and tools, and which calls of tools are the same."""

import json
from typing import Any

import pytest

from monitor.sources.otlp import genai
from monitor.sources.otlp.agents.agent_span import AgentSpan, Kind, agent_span, kind_of
from monitor.sources.otlp.span import Span

LANGCHAIN = '{"ls_integration": "langchain_create_agent", "lc_agent_name": "helper"}'


def span(name: str, attributes: dict[str, Any], trace: int = 1) -> Span:
    about = {"service.name": "desk"}
    return Span(trace.to_bytes(16, "big"), b"12345678", b"", name, 10, 20, attributes, about)


def read(name: str, attributes: dict[str, Any], trace: int = 1) -> AgentSpan:
    made = span(name, attributes, trace)
    return agent_span(made, kind_of(made, genai.operation_of(made)), "acme")


@pytest.mark.parametrize(
    ("name", "attributes", "kind"),
    [
        ("invoke_agent helper", {"gen_ai.operation.name": "invoke_agent"}, Kind.AGENT),
        ("helper.workflow", {"gen_ai.operation.name": "invoke_agent", "traceloop.span.kind": "workflow"}, Kind.AGENT),
        ("crew", {"traceloop.span.kind": "agent"}, Kind.AGENT),
        ("helper", {"openinference.span.kind": "AGENT"}, Kind.AGENT),
        ("helper", {"openinference.span.kind": "CHAIN", "metadata": LANGCHAIN}, Kind.AGENT),
        ("agent run", {"agent_name": "helper", "model_name": "gpt"}, Kind.AGENT),
        ("model", {"openinference.span.kind": "CHAIN", "metadata": LANGCHAIN}, Kind.FRAME),
        ("helper", {"openinference.span.kind": "CHAIN", "metadata": "{"}, Kind.FRAME),
        ("helper", {"openinference.span.kind": "CHAIN"}, Kind.FRAME),
        ("create_agent helper", {"gen_ai.operation.name": "create_agent"}, Kind.FRAME),
        ("execute_task model", {"gen_ai.operation.name": "execute_task", "traceloop.span.kind": "task"}, Kind.FRAME),
        ("execute_tool search", {"gen_ai.operation.name": "execute_tool"}, Kind.TOOL),
        ("search", {"openinference.span.kind": "TOOL"}, Kind.TOOL),
        ("running tool", {"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "1"}, Kind.TOOL),
        ("chat", {"gen_ai.operation.name": "chat"}, Kind.CALL),
        ("GET /", {}, Kind.FRAME),
    ],
)  # fmt: skip
def test_what_a_span_is(name: str, attributes: dict[str, Any], kind: Kind) -> None:
    made = span(name, attributes)
    assert kind_of(made, genai.operation_of(made)) is kind


@pytest.mark.parametrize(
    ("name", "attributes", "model"),
    [
        (
            "invoke_agent x",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"},
            "helper",
        ),
        ("x", {"openinference.span.kind": "AGENT", "agent.name": "helper"}, "helper"),
        ("helper", {"openinference.span.kind": "CHAIN", "metadata": LANGCHAIN}, "helper"),
        ("agent run", {"agent_name": "helper"}, "helper"),
        ("x", {"traceloop.span.kind": "agent", "traceloop.entity.name": "helper"}, "helper"),
        ("x", {"gen_ai.operation.name": "invoke_agent"}, "desk agent"),
    ],
)
def test_who_an_agent_is(name: str, attributes: dict[str, Any], model: str) -> None:
    base = read(name, attributes).base
    assert base is not None
    assert (base.client, base.model) == ("acme", model)


def _loop(arguments: object, step: int) -> str:
    """OpenLLMetry's input of a tool of LangChain."""
    return json.dumps({"input_str": str(arguments), "metadata": {"langgraph_step": step}})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"gen_ai.tool.call.arguments": '{"q": "a", "n": 1}'},
            {"gen_ai.tool.call.arguments": '{"n":1,"q":"a"}'},
        ),
        ({"gen_ai.tool.call.arguments": {"q": "a"}}, {"gen_ai.tool.call.arguments": '{"q":"a"}'}),
        ({"traceloop.entity.input": _loop({"q": "a"}, 2)}, {"traceloop.entity.input": _loop({"q": "a"}, 4)}),
        ({"traceloop.entity.input": _loop({"q": "a"}, 2)}, {"gen_ai.tool.call.arguments": '{"q":"a"}'}),
        ({"input.value": "a"}, {"input.value": "a"}),
    ],
)
def test_calls_of_a_tool_are_the_same_by_their_arguments(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    one, other = read("x", {**about, **first}), read("x", {**about, **second})
    assert one.same
    assert one.same == other.same
    assert read("x", {**about, **first, "gen_ai.tool.name": "book"}).same != one.same
    assert read("x", {**about, **first}, trace=2).same != one.same


@pytest.mark.parametrize(
    "attributes",
    [{}, {"input.value": "__REDACTED__"}, {"gen_ai.tool.call.arguments": ""}, {"input.value": None}],
)
def test_arguments_that_are_hidden_are_not_known(attributes: dict[str, Any]) -> None:
    assert not read("search", {"openinference.span.kind": "TOOL", **attributes}).same


@pytest.mark.parametrize("deep", ["{" * 200, "{'a':" * 90, '{"a":' * 90, "{1: " + "[" * 300])
def test_arguments_that_are_no_values_are_taken_as_they_are(deep: str) -> None:
    assert read("search", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": deep}).same
