"""OTLP in both encodings: the same spans come out, and whatever cannot be read stops only itself."""

import contextlib
import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitor.errors import InputError, TooLargeError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.schema import Rules
from monitor.predictions.settings import PredictionSettings
from monitor.sources.otlp import json_encoding, protobuf
from monitor.sources.otlp.calls import calls_of
from monitor.sources.otlp.span import MAX_ITEM_BYTES, RefusedItem, Span
from monitor.text_limits import flaw_of_name
from tests.support import otlp
from tests.support.log import NOW
from tests.support.thorough import examples

SETTINGS = PredictionSettings()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXTS | st.binary(max_size=5)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
NAMES = st.sampled_from(
    [
        *otlp.CALL,
        "gen_ai.response.id",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt.0.content",
        "llm.input_messages.0.message.content",
        "llm.invocation_parameters",
        "llm.model_name",
        "openinference.span.kind",
        "output.value",
        "error.type",
        "request_data",
        "response_data",
        "watchkeeper.client",
        "watchkeeper.model",
        "watchkeeper.environment",
        "service.name",
        "deployment.environment",
    ]
)
ATTRIBUTES = st.dictionaries(NAMES | TEXTS, VALUES, max_size=4)
TIMES = st.integers(0, 2**64 - 1) | st.just(int(NOW * 1e9))


@st.composite
def requests(draw):
    """A request whose spans have any attributes, times and ids."""
    spans = []
    for number in range(draw(st.integers(1, 3))):
        attributes = draw(ATTRIBUTES) if draw(st.booleans()) else otlp.CALL | draw(ATTRIBUTES)
        made = otlp.span(number, attributes, trace=draw(st.integers(0, 2)), parent=draw(st.integers(0, 4)))
        made.start_time_unix_nano, made.end_time_unix_nano = draw(TIMES), draw(TIMES)
        made.status.code = draw(st.integers(0, 2))
        made.status.message = draw(TEXTS)
        for name in draw(st.lists(TEXTS | st.just("exception"), max_size=2)):
            event = made.events.add(name=name, time_unix_nano=draw(TIMES))
            event.attributes.extend(otlp.pairs(draw(ATTRIBUTES)))
        spans.append(made)
    return otlp.traces(*spans, **draw(st.dictionaries(st.just("service.name"), VALUES, max_size=1)))


def comparable(value):
    """Spans with NaN by its name, since it equals nothing."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, Span | RefusedItem) or type(value).__name__ == "SpanEvent":
        return {name: comparable(getattr(value, name)) for name in value.__struct_fields__}
    return value


@given(requests())
@settings(max_examples=examples(30), deadline=None)
def test_law_both_encodings_decode_to_the_same_spans(request):
    one = list(protobuf.spans(request.SerializeToString()))
    other = list(json_encoding.spans(otlp.as_json(request)))
    assert [comparable(span) for span in one] == [comparable(span) for span in other]


@given(requests(), st.sampled_from(["", "acme"]), st.sampled_from([None, frozenset(["acme"]), frozenset()]))
@settings(max_examples=examples(30), deadline=None)
def test_law_every_span_becomes_one_call_at_most_or_is_refused(request, client, clients):
    body = request.SerializeToString()
    spans = list(protobuf.spans(body))
    rules = Rules(SETTINGS, NOW, client, clients)
    parsed = calls_of(spans, body, rules).each(rules, FastDecoders(SETTINGS))
    assert sum(one.accepted + one.rejected_count for one in parsed) <= len(spans)
    for one in parsed:
        assert one.request is not None
        for part in one.parts:
            assert not flaw_of_name(part.stream.model)
            assert part.stream.client == (client or "acme") or not client


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceSpans",
                        "scopeSpans",
                        "spans",
                        "resource",
                        "attributes",
                        "key",
                        "value",
                        "stringValue",
                        "arrayValue",
                        "values",
                        "traceId",
                        "spanId",
                        "startTimeUnixNano",
                        "events",
                        "status",
                        "code",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=30,
    )
)
@settings(max_examples=examples(80), deadline=None)
def test_law_any_json_is_read_or_refused(content):
    body = json.dumps({"resourceSpans": content} if not isinstance(content, dict) else content).encode()
    for read in (json_encoding.spans, json_encoding.logs, json_encoding.data_points):
        with contextlib.suppress(InputError):
            assert is_read(read(body))


def is_read(found):
    """Whether it is a number, or items of which each refused one has a reason."""
    return (
        found >= 0
        if isinstance(found, int)
        else all(not isinstance(one, RefusedItem) or one.reason for one in found)
    )


@given(st.binary(max_size=300))
@example(b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
@settings(max_examples=examples(80), deadline=None)
def test_law_any_bytes_are_read_or_refused(body):
    for read in (protobuf.spans, protobuf.logs, protobuf.data_points):
        with contextlib.suppress(InputError):
            assert is_read(read(body))


@given(requests(), st.data())
@settings(max_examples=examples(15), deadline=None)
def test_law_a_body_that_is_cut_off_is_refused(request, data):
    body = request.SerializeToString()
    cut = body[: data.draw(st.integers(1, len(body) - 1))]
    with pytest.raises(InputError, match="protobuf message"):
        list(protobuf.spans(cut))


def test_a_span_that_is_no_message_spoils_no_other():
    request = otlp.traces(otlp.call(1, "one"), otlp.call(2, "two"), otlp.call(3, "three"))
    body = request.SerializeToString().replace(b"gen_ai.response.model", b"gen_ai.response.mode\xff", 1)
    found = list(protobuf.spans(body))
    assert found[0] == RefusedItem("it is not a valid protobuf message")
    assert [span.attributes["gen_ai.response.id"] for span in found[1:]] == ["two", "three"]


def test_a_span_that_is_too_large_spoils_no_other():
    large = otlp.call(1, "large", {"gen_ai.input.messages": "x" * MAX_ITEM_BYTES})
    found = list(protobuf.spans(otlp.traces(large, otlp.call(2, "small")).SerializeToString()))
    assert "more than 4,000,000" in found[0].reason
    assert found[1].attributes["gen_ai.response.id"] == "small"


def test_a_span_of_many_parts_spoils_no_other_and_takes_no_memory():
    crowded = otlp.call(1, "crowded")
    for _ in range(40_000):
        crowded.events.add(name="e")
    (first, second) = protobuf.spans(otlp.traces(crowded, otlp.call(2, "small")).SerializeToString())
    assert first == RefusedItem("it has more than 20,000 parts")
    assert isinstance(second, Span)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_body_of_empty_messages_is_refused_before_it_is_walked(depth):
    body = b"\x0a\x00" * 250_000 if depth == 0 else b"\x12\x00" * 250_000
    for tag in (b"\x12", b"\x0a")[2 - depth :]:
        body = tag + varint(len(body)) + body
    with pytest.raises(TooLargeError, match="more than 200,000 parts"):
        list(protobuf.spans(body))


def test_of_thousands_of_events_the_first_and_the_last_count():
    span = otlp.call(1, error="it failed")
    for number in range(5000):
        span.events.add(
            name="gen_ai.content.completion.chunk", time_unix_nano=span.start_time_unix_nano + number
        )
    span.events.add(name="exception").attributes.extend(otlp.pairs({"exception.type": "ReadTimeout"}))
    request = otlp.traces(span)
    for (found,) in (protobuf.spans(request.SerializeToString()), json_encoding.spans(otlp.as_json(request))):
        assert len(found.events) == 1001
        assert found.events[0].time == found.start
        assert found.events[-1].attributes == {"exception.type": "ReadTimeout"}


def test_the_resource_may_come_after_its_spans():
    request = otlp.traces(otlp.call(1, "late"))
    inner = request.resource_spans[0]
    resource = type(inner)(resource=inner.resource).SerializeToString()
    scopes = type(inner)(scope_spans=inner.scope_spans).SerializeToString()
    turned = scopes + resource
    body = b"\x0a" + varint(len(turned)) + turned
    assert ExportTraceServiceRequest.FromString(body) == request
    (span,) = protobuf.spans(body)
    assert span.resource["service.name"] == "support-bot"


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def nested(depth):
    """A request in JSON whose attribute is a list in a list, so many times."""
    value = '{"intValue": 1}'
    for _ in range(depth):
        value = f'{{"arrayValue": {{"values": [{value}]}}}}'
    span = f'{{"traceId": "{"1" * 32}", "spanId": "{"1" * 16}", "attributes": [{{"key": "k", "value": {value}}}]}}'
    return f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}'.encode()


def test_values_that_are_nested_deeply_are_left_out_or_refused():
    (span,) = json_encoding.spans(nested(3))
    assert span.attributes == {"k": [[[1]]]}
    (span,) = json_encoding.spans(nested(90))
    assert span.attributes["k"]
    with pytest.raises(InputError, match="nested too deeply"):
        list(json_encoding.spans(nested(5000)))


TRAPS = [
    ("upper case ids", {"traceId": "AB" * 16, "spanId": "CD" * 8}, None),
    ("ids in Base64", {"traceId": "q83vASNFZ4mrze8BI0VniQ=="}, "traceId is not hexadecimal"),
    ("a short trace", {"traceId": "ab"}, "traceId is missing or not 16 bytes"),
    ("a trace of zeros", {"traceId": "0" * 32}, "traceId is missing or not 16 bytes"),
    ("a time as a number", {"startTimeUnixNano": 1795420800000000000}, None),
    ("a time as a text", {"startTimeUnixNano": "1795420800000000000"}, None),
    (
        "a time that is none",
        {"startTimeUnixNano": "soon"},
        "startTimeUnixNano is not a number of nanoseconds",
    ),
    ("a negative time", {"startTimeUnixNano": -1}, "startTimeUnixNano is not a number of nanoseconds"),
    ("a field of the future", {"futureField": {"a": 1}}, None),
    ("a kind as a text", {"kind": "SPAN_KIND_CLIENT"}, None),
    ("attributes as an object", {"attributes": {"a": 1}}, "attributes is not a list"),
    ("a name that is a number", {"name": 7}, "name is not a string"),
]


@pytest.mark.parametrize(("fields", "flaw"), [row[1:] for row in TRAPS], ids=[row[0] for row in TRAPS])
def test_the_traps_of_the_json_encoding(fields, flaw):
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"} | fields
    (found,) = json_encoding.spans(
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    )
    if flaw is None:
        assert isinstance(found, Span)
        assert found.trace == bytes.fromhex(span["traceId"])
    else:
        assert found == RefusedItem(flaw)


@pytest.mark.parametrize("part", ["attributes", "events"])
def test_a_span_of_very_many_parts_is_refused_in_both_encodings_and_stops_no_other(part: str) -> None:
    large, small = otlp.call(1, "r-1", {}), otlp.call(2, "r-2", {})
    for number in range(20_001):
        large.attributes.add(key=f"k{number}") if part == "attributes" else large.events.add(name="e")
    request = otlp.traces(large, small)
    for decode, body in (
        (protobuf.spans, request.SerializeToString()),
        (json_encoding.spans, otlp.as_json(request)),
    ):
        first, second = decode(body)
        assert first == RefusedItem("it has more than 20,000 parts")
        assert isinstance(second, Span)
        assert second.id == small.span_id
