"""What becomes of GenAI spans: recorded ones of six instrumentations, and the traps that they have."""

import pytest

from monitor.predictions.fields import Row
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.settings import PredictionSettings
from monitor.sources.otlp import json_encoding, protobuf
from monitor.sources.otlp.calls import calls_of
from monitor.sources.otlp.content import characters, content_of, sizes
from tests.support import otlp
from tests.support.log import NOW

SETTINGS = PredictionSettings()
RECORDED_AT = 1_795_950_000.0
PROMPT = "Answer from the context.", "Context: Refunds take 14 days. Q: how long?"
ANSWER = "Refunds take 14 days."


def parsed(body, now=NOW, client="", clients=None, read=protobuf.spans):
    rules = Rules(SETTINGS, now, client, clients)
    return calls_of(read(body), body, rules).each(rules, FastDecoders(SETTINGS))


def rows(request, **options):
    """The stored rows of a request, in order of time, with their streams."""
    body = request if isinstance(request, bytes) else request.SerializeToString()
    structs = [(stream, struct(found)) for stream, found in assembled(body, **options)]
    return sorted(structs, key=lambda pair: pair[1].timestamp)


def assembled(body, **options):
    """The columns of each request, as they reach the log."""
    return [pair for one in parsed(body, **options) for pair in assemble([one], RecordKind.PREDICTIONS)]


def struct(columns):
    """The first row, without its texts."""
    row = Row(0)
    for name, value in columns.to_pylist()[0].items():
        group, _, member = name.partition(".")
        if value is not None and member and group != "texts":
            setattr(row, group, {**getattr(row, group), member: value})
        elif value is not None and not member:
            setattr(row, name, value)
    return row


def texts_of(request, **options):
    """The texts of the calls of a request, in order of time."""
    body = request if isinstance(request, bytes) else request.SerializeToString()
    found = [columns.to_pylist()[0] for _, columns in assembled(body, **options)]
    names = ("input", "output", "system", "context", "tool_results")
    return [
        {name: row[f"texts.{name}"] for name in names if row.get(f"texts.{name}")}
        for row in sorted(found, key=lambda row: row["timestamp"])
    ]


def row(attributes=None, **more):
    """The row of one call with further attributes."""
    ((_, found),) = rows(otlp.traces(otlp.call(1, "", attributes, **more)))
    return found


TEXTS = {"input_characters": sum(map(len, PROMPT)), "output_characters": len(ANSWER), "messages": 2}
USAGE = {"input_tokens": 25, "output_tokens": 6}
CACHED = USAGE | {"cached_tokens": 5}
ESTIMATED = {"input_tokens": 30, "output_tokens": 7}
# per recording: features of the call, features of the stream, whether it has a time to first token, its finish reason
RECORDINGS = {
    "genai-openai-1.3b0": (CACHED, {}, True, "stop"),
    "openai-v2-2.4b0": (USAGE, {}, False, "unknown"),
    "traceloop-openai-0.62.4": (CACHED | TEXTS, TEXTS, True, "stop"),
    "openinference-openai-0.1.66": (CACHED | TEXTS, TEXTS, True, "stop"),
    "openinference-inside-genai": (CACHED | TEXTS, TEXTS, True, "stop"),
    "logfire-5.4.0": (CACHED | TEXTS, TEXTS, False, "stop"),
    "litellm-1.110.2": (USAGE | TEXTS, ESTIMATED | TEXTS, False, "stop"),
}
PARAMETERS = {"requested_model": "gpt-4o-mini", "temperature": 0.1, "max_tokens": 50}


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_instrumentations_send_becomes_three_calls(name):
    usage, streamed, has_first_token, reason = RECORDINGS[name]
    body = (otlp.RECORDED / f"{name}.pb").read_bytes()
    found = rows(body, now=RECORDED_AT, client="acme")
    assert {str(stream) for stream, _ in found} == {"acme/support-bot/production"}
    call, stream, failed = (row for _, row in found)
    assert (call.id, call.version, call.prediction, call.error) == (
        "chatcmpl-1",
        "gpt-4o-mini-2024-07-18",
        "stop",
        None,
    )
    call.features.pop("stream", None)
    assert call.features == PARAMETERS | usage
    assert call.segments == {"provider": "openai", "requested_model": "gpt-4o-mini"}
    assert (stream.id, stream.prediction) == ("chatcmpl-S", reason)
    assert stream.version in ("gpt-4o-mini-2024-07-18", "gpt-4o-mini")
    first_token = stream.features.pop("ttft_ms", None)
    assert (first_token is not None) == has_first_token
    assert first_token is None or 0 < first_token <= stream.latency_ms
    assert stream.features.pop("stream", True) is True
    assert stream.features == {"requested_model": "gpt-4o-mini"} | streamed
    assert (failed.error, failed.prediction, failed.version) == ("RateLimitError", None, None)
    assert all(row.latency_ms > 0 for row in (call, stream, failed))


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_text_is_kept(name):
    body = (otlp.RECORDED / f"{name}.pb").read_bytes()
    found = rows(body, now=RECORDED_AT, client="acme")
    kept = " ".join(str(row) for _, row in found)
    assert len(found) == 3
    assert not [text for text in (*PROMPT, ANSWER, "Refunds", "Error code") if text in kept]


def test_the_cost_that_a_gateway_computed():
    body = (otlp.RECORDED / "litellm-1.110.2.pb").read_bytes()
    assert [row.cost for _, row in rows(body, now=RECORDED_AT, client="acme")] == [6.975e-06, 8.7e-06, None]


MODELS = [
    ("the service", {}, {}, "support-bot"),
    (
        "an attribute of the span",
        {"watchkeeper.model": "summaries"},
        {"watchkeeper__model": "all"},
        "summaries",
    ),
    ("an attribute of the program", {}, {"watchkeeper__model": "all"}, "all"),
    ("no service", {}, {"service__name": None}, "gpt-4o-mini"),
    ("what SDKs write then", {}, {"service__name": "unknown_service:python"}, "gpt-4o-mini"),
    (
        "a model with a slash",
        {"gen_ai.request.model": "openai/gpt-4o"},
        {"service__name": None},
        "openai-gpt-4o",
    ),
    ("a service with odd characters", {}, {"service__name": " a\u202e\tb/c\\d\u2028"}, "a b-c-d"),
    ("a long service", {}, {"service__name": "x" * 10_000}, "x" * 128),
    ("a service that is a path", {}, {"service__name": ".."}, "gpt-4o-mini"),
]


@pytest.mark.parametrize(
    ("attributes", "resource", "model"), [m[1:] for m in MODELS], ids=[m[0] for m in MODELS]
)
def test_the_model_is_the_service_unless_an_attribute_names_another(attributes, resource, model):
    ((stream, _),) = rows(otlp.traces(otlp.call(1, "", attributes), **resource))
    assert (stream.client, stream.model) == ("acme", model)


def test_the_client_is_that_of_the_key_or_the_attribute_or_the_only_one():
    unnamed = otlp.traces(otlp.call(1), watchkeeper__client=None)
    assert rows(unnamed, client="globex")[0][0].client == "globex"
    assert rows(unnamed, clients=frozenset(["initech"]))[0][0].client == "initech"
    (refused,) = parsed(unnamed.SerializeToString(), clients=frozenset(["initech", "globex"]))
    assert refused.rejected[0].rejected.error == "the span names no client"
    named = otlp.traces(otlp.call(1, "", {"watchkeeper.client": "globex"}))
    assert rows(named)[0][0].client == "globex"


ENVIRONMENTS = [
    ({}, "production"),
    ({"deployment__environment__name": "prod"}, "production"),
    ({"deployment__environment": "Staging"}, "staging"),
    ({"deployment__environment": "dev"}, "development"),
    ({"deployment__environment": "prod", "watchkeeper__environment": "test"}, "development"),
]


@pytest.mark.parametrize(("resource", "environment"), ENVIRONMENTS)
def test_the_environment_is_that_of_the_deployment(resource, environment):
    assert rows(otlp.traces(otlp.call(1), **resource))[0][0].environment == environment


def test_an_environment_that_is_none_of_ours_is_refused_and_not_guessed():
    (refused,) = parsed(otlp.traces(otlp.call(1), deployment__environment="blue").SerializeToString())
    assert refused.rejected[0].rejected.error == "environment is 'blue'"


NO_CALLS = [
    {"gen_ai.operation.name": "embeddings"},
    {"gen_ai.operation.name": "execute_tool"},
    {"gen_ai.operation.name": "invoke_agent"},
    {"openinference.span.kind": "CHAIN"},
    {"openinference.span.kind": "EMBEDDING"},
    {"traceloop.span.kind": "workflow"},
    {"llm.request.type": "rerank"},
    {"http.request.method": "POST"},
    {},
]


@pytest.mark.parametrize("attributes", NO_CALLS, ids=str)
def test_other_spans_are_no_calls(attributes):
    assert rows(otlp.traces(otlp.span(1, attributes))) == []


@pytest.mark.parametrize(
    ("reasons", "prediction"),
    [
        (["stop"], "stop"),
        ('["length"]', "length"),
        ("tool_calls", "tool_calls"),
        (["stop", "length", "stop"], "length,stop"),
        ([], "unknown"),
        ("", "unknown"),
        ([7, None], "unknown"),
        ('["cut', '["cut'),
    ],
)
def test_finish_reasons_in_every_notation(reasons, prediction):
    assert row({"gen_ai.response.finish_reasons": reasons}).prediction == prediction


ERRORS = [
    ("a class with its package", {"error.type": "openai.RateLimitError"}, None, "RateLimitError"),
    ("a class as Python shows it", {"error.type": "<class 'openai.APIError'>"}, None, "APIError"),
    ("a code", {"error.type": "429"}, None, "429"),
    ("only a status", {}, "", "error"),
    ("a message that names its class", {}, "litellm.Timeout: it took too long", "Timeout"),
    ("a message that may quote a prompt", {}, "Could not answer: my IBAN is DE89 3704", "error"),
]


@pytest.mark.parametrize(
    ("attributes", "message", "error"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors_are_kinds_and_never_messages(attributes, message, error):
    found = row(attributes, error=message)
    assert (found.error, found.prediction) == (error, None)


def test_the_last_exception_names_the_error():
    span = otlp.call(1, error="boom: it failed")
    for kind in ("ValueError", "httpx.ReadTimeout"):
        span.events.add(name="exception").attributes.extend(otlp.pairs({"exception.type": kind}))
    assert rows(otlp.traces(span))[0][1].error == "ReadTimeout"


@pytest.mark.parametrize(
    ("attributes", "missing"),
    [
        ({"gen_ai.usage.input_tokens": "many"}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": -1}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": float("nan")}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": True}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": [25]}, "input_tokens"),
    ],
    ids=str,
)
def test_a_figure_that_is_none_is_missing_and_not_zero(attributes, missing):
    assert missing not in row(attributes).features


def test_a_span_that_ends_before_it_starts_has_no_latency():
    assert row(seconds=-1).latency_ms is None


CONTENT = [
    (
        {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "four"}]}]'},
        4,
        None,
        1,
    ),
    (
        {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "four"}]}]},
        4,
        None,
        1,
    ),
    ({"gen_ai.input.messages": "no JSON"}, 7, None, None),
    ({"gen_ai.system_instructions": '[{"type": "text", "content": "be kind"}]'}, 7, None, None),
    (
        {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "four",
            "gen_ai.completion.0.content": "ok",
        },
        4,
        2,
        1,
    ),
    ({"llm.input_messages.10.message.contents.0.message_content.text": "four"}, 4, None, 1),
    ({"llm.prompts.0.prompt.text": "four", "llm.output_messages.0.message.content": "ok"}, None, 2, None),
    ({"request_data": '{"messages": [{"role": "user", "content": "four"}]}'}, 4, None, 1),
    ({"response_data": '{"combined_chunk_content": "okay"}'}, None, 4, None),
    ({"gen_ai.output.messages": "[" * 5000}, None, 5000, None),
]


@pytest.mark.parametrize(
    ("attributes", "inputs", "outputs", "messages"), CONTENT, ids=lambda one: str(one)[:40]
)
def test_sizes_of_texts_in_every_notation(attributes, inputs, outputs, messages):
    found = sizes(content_of(attributes))
    assert found.get("input_characters") == inputs
    assert found.get("output_characters") == outputs
    assert found.get("messages") == messages


def test_texts_nested_without_end_are_counted_to_a_depth():
    endless = []
    endless.append(endless)
    assert characters(endless) == 0


def test_recordings_are_the_same_in_json():
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for path in sorted(otlp.RECORDED.glob("*[!s].pb")):  # without pairs of traces and logs
        body = path.read_bytes()
        written = otlp.as_json(ExportTraceServiceRequest.FromString(body))
        one = rows(body, now=RECORDED_AT, client="acme")
        assert one == rows(written, now=RECORDED_AT, client="acme", read=json_encoding.spans)
        assert len(one) == 3


CONTENT = {"input": PROMPT[1], "output": ANSWER, "system": PROMPT[0]}


@pytest.mark.parametrize(
    ("name", "streamed"),
    [
        ("traceloop-openai-0.62.4", CONTENT),
        ("openinference-openai-0.1.66", CONTENT),
        ("logfire-5.4.0", CONTENT),
        ("litellm-1.110.2", CONTENT),
        ("genai-openai-1.3b0", {}),
    ],
)
def test_texts_of_recorded_calls_are_taken_by_who_said_them(name, streamed):
    body = (otlp.RECORDED / f"{name}.pb").read_bytes()
    call, stream, failed = texts_of(body, now=RECORDED_AT, client="acme")
    assert call == (streamed and CONTENT)
    assert stream == streamed
    assert "output" not in failed


def test_documents_that_a_trace_has_retrieved_are_the_context_of_its_calls():
    attributes = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "how long?",
        "gen_ai.prompt.1.role": "tool",
        "gen_ai.prompt.1.content": "14",
        "gen_ai.completion.0.content": ANSWER,
        "gen_ai.output.type": "json",
    }
    retrieval = {
        "openinference.span.kind": "RETRIEVER",
        "retrieval.documents.0.document.content": "Refunds take 14 days.",
        "retrieval.documents.1.document.content": "Open from 9 to 5.",
    }
    request = otlp.traces(otlp.call(1, "", attributes), otlp.span(2, retrieval))
    (found,) = texts_of(request)
    assert found == {
        "input": "how long?",
        "output": ANSWER,
        "tool_results": ["14"],
        "context": ["Refunds take 14 days.", "Open from 9 to 5."],
    }
    own = attributes | {"watchkeeper.context": '["Refunds take 30 days."]'}
    (found,) = texts_of(otlp.traces(otlp.call(1, "", own)))
    assert found["context"] == ["Refunds take 30 days."]
