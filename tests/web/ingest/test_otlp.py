"""OTLP over real HTTP: what exporters are answered, and that each call is in the log once."""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.clock import ManualClock
from monitor.records import Stream
from monitor.store import quarantine
from monitor.store.api_keys import KeyKind
from tests.support import http, otlp
from tests.support.ingest_server import serving
from tests.support.log import NOW
from tests.support.otlp import JSON, PROTOBUF, call, ids_of, rows_of, send, traces
from tests.support.thorough import examples


@pytest.fixture(scope="module")
def ingest(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("otlp"), ManualClock(NOW), body_limit=2_000_000) as running:
        yield running


def partial(answer, kind=ExportTraceServiceResponse):
    assert answer.status_code == 200, answer.content
    return kind.FromString(answer.content).partial_success


# What exporters get


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_call_is_in_the_log_when_its_span_is_acknowledged(ingest, encoding):
    trace = {PROTOBUF: 10, JSON: 11}[encoding]
    answer = send(ingest, traces(call(1, f"whole-{trace}", trace=trace)), encoding)
    assert (answer.status_code, answer.headers["content-type"]) == (200, encoding)
    assert answer.content == {PROTOBUF: b"", JSON: b"{}"}[encoding]
    (row,) = [row for row in rows_of(ingest) if row["id"] == f"whole-{trace}"]
    assert row["signals.cut_answer"] is False
    kept = {name: value for name, value in row.items() if not name.startswith("signals.")}
    assert {name: value for name, value in kept.items() if value is not None} == {
        "id": f"whole-{trace}",
        "timestamp": 1_795_420_800_000_000,
        "version": "gpt-4o-mini-2024-07-18",
        "prediction": "stop",
        "latency_ms": 250.0,
        "features.requested_model": "gpt-4o-mini",
        "features.input_tokens": 25.0,
        "features.output_tokens": 6.0,
        "segments.provider": "openai",
        "segments.requested_model": "gpt-4o-mini",
    }


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize("content_encoding", ["gzip", "identity", ""])
def test_bodies_come_compressed_and_plain(ingest, encoding, content_encoding):
    trace = 20 + len(content_encoding) + (encoding == JSON)
    request = traces(call(1, f"packed-{trace}", trace=trace))
    body = request.SerializeToString() if encoding == PROTOBUF else otlp.as_json(request)
    if content_encoding == "gzip":  # a member may follow another
        body = gzip.compress(body[:50]) + gzip.compress(body[50:])
    assert send(ingest, body, encoding, content_encoding=content_encoding).status_code == 200
    assert ids_of(ingest, f"packed-{trace}") == [f"packed-{trace}"]


def test_a_request_without_calls_is_a_success(ingest):
    before = len(rows_of(ingest))
    work = otlp.span(1, {"http.request.method": "GET"}, name="GET /")
    for request in (traces(), traces(work), b""):
        assert (send(ingest, request).status_code, send(ingest, request).content) == (200, b"")
    assert send(ingest, b"{}", JSON).json() == {}
    assert len(rows_of(ingest)) == before


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_what_cannot_become_a_prediction_is_told_and_spoils_no_other(ingest, encoding):
    trace = {PROTOBUF: 30, JSON: 31}[encoding]
    good = [call(n, f"good-{trace}-{n}", trace=trace) for n in (1, 2)]
    old = call(3, trace=trace, start=NOW - 90 * 86400)
    nameless = call(0, trace=trace)
    answer = send(ingest, traces(good[0], old, nameless, good[1]), encoding)
    if encoding == PROTOBUF:
        found = partial(answer)
        rejected, message = found.rejected_spans, found.error_message
    else:
        found = answer.json()["partialSuccess"]
        rejected, message = int(found["rejectedSpans"]), found["errorMessage"]
    assert rejected == 2
    assert message.startswith("timestamp is 90d ago; rows are kept for 30d; load history from files")
    assert ids_of(ingest, f"good-{trace}") == [f"good-{trace}-1", f"good-{trace}-2"]
    with ingest.store.read() as connection:
        reasons = {found.rejected.error for found in quarantine.latest(connection, limit=10)}
    assert "the span cannot be read: spanId is missing or not 8 bytes" in reasons


REFUSED = [
    ("no protobuf", b"\xff\xff\xff\xff", PROTOBUF, {}, 400, "not a protobuf message"),
    ("half of a message", traces(call()).SerializeToString()[:-3], PROTOBUF, {}, 400, "protobuf message"),
    ("no JSON", b"{", JSON, {}, 400, "the body ended"),
    ("another JSON", b"[1]", JSON, {}, 400, "the body is not an OTLP request"),
    ("two requests", b"{}\n{}", JSON, {}, 400, "not an OTLP request"),
    ("nothing as JSON", b"", JSON, {}, 400, "the body is empty"),
    ("snake_case values", b'{"resourceSpans": {}}', JSON, {}, 400, "resourceSpans is not a list of objects"),
    ("another type", b"x", "text/plain", {}, 400, "Content-Type 'text/plain' is not one of OTLP"),
    ("no gzip", b"{}", JSON, {"content_encoding": "gzip"}, 400, "the body is not valid gzip"),
    ("half of a gzip", gzip.compress(b"{}")[:-4], JSON, {"content_encoding": "gzip"}, 400, "truncated"),
    (
        "deflate",
        zlib.compress(b"{}"),
        JSON,
        {"content_encoding": "deflate"},
        400,
        "'deflate' is not supported",
    ),
    ("a large body", b" " * 2_000_001, JSON, {}, 413, "larger than 2,000,000 bytes"),
    (
        "a small body that becomes large",
        gzip.compress(b" " * 2_000_001),
        JSON,
        {"content_encoding": "gzip"},
        413,
        "larger than 2,000,000 bytes after decompression",
    ),
    ("a wrong key", b"{}", JSON, {"authorization": "Bearer wk_no"}, 401, "the API key is not valid"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_a_request_that_is_refused_as_a_whole_gets_a_status_in_its_own_encoding(ingest, case):
    _, body, encoding, headers, status, error = case
    answer = send(ingest, body, encoding, **headers)
    assert answer.status_code == status, answer.content
    if encoding == PROTOBUF:
        assert answer.headers["content-type"] == PROTOBUF
        found = Status.FromString(answer.content)
        code, message = found.code, found.message
    else:
        assert answer.headers["content-type"] == JSON
        code, message = answer.json()["code"], answer.json()["message"]
    assert error in message
    assert code == {400: 3, 401: 16, 413: 8}[status]


def test_another_method_is_answered_in_the_language_of_otlp(ingest):
    answer = http.get(f"{ingest.url}/v1/traces")
    assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (405, "POST", 12)


def test_a_key_decides_whose_calls_they_are(tmp_path):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        key, wrong = ingest.make_key("globex"), ingest.make_key("globex", KeyKind.PAGE)
        assert send(ingest, traces(call(1, "nobody"))).status_code == 401
        assert send(ingest, traces(call(1), watchkeeper__client=None), key=key).content == b""
        foreign = partial(send(ingest, traces(call(2)), key=key))
        assert (foreign.rejected_spans, foreign.error_message[:44]) == (
            1,
            "this key is for client 'globex', the record ",
        )
        assert send(ingest, traces(call(3)), key=wrong).status_code == 403
        assert len(rows_of(ingest, Stream("globex", "support-bot"))) == 1
        assert ingest.log.stats().rejected["no_key"] == 1


def test_what_was_refused_as_another_clients_call_keeps_no_call_of_that_client_away(tmp_path):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        key, other = ingest.make_key("acme"), ingest.make_key("globex")
        assert partial(send(ingest, traces(call(1, "mine")), key=other)).rejected_spans == 1
        assert send(ingest, traces(call(1, "mine")), key=key).content == b""
        assert ids_of(ingest, "mine") == ["mine"]


def test_without_a_client_a_call_is_refused_with_what_to_do(ingest):
    found = partial(send(ingest, traces(call(1, trace=40), watchkeeper__client=None)))
    assert found.rejected_spans == 1
    assert "OTEL_RESOURCE_ATTRIBUTES=watchkeeper.client=NAME" in found.error_message


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_metrics_and_evaluations_are_refused_with_a_reason_that_ends_their_retries(ingest, encoding):
    evaluation = otlp.evaluation(
        **{"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.5}
    )
    evaluation.resource_logs[0].scope_logs[0].log_records.add(event_name="gen_ai.choice")
    for signal, request, kind, name, count, why in (
        (
            "metrics",
            otlp.gauge(7),
            ExportMetricsServiceResponse,
            "rejected_data_points",
            7,
            "metrics are not stored",
        ),
        (
            "logs",
            evaluation,
            ExportLogsServiceResponse,
            "rejected_log_records",
            2,
            "names no call",
        ),
    ):
        answer = send(ingest, request, encoding, signal)
        assert answer.status_code == 200
        if encoding == PROTOBUF:
            found = partial(answer, kind)
            rejected, message = getattr(found, name), found.error_message
        else:
            found = answer.json()["partialSuccess"]
            (rejected,) = (int(value) for field, value in found.items() if field != "errorMessage")
            message = found["errorMessage"]
        assert rejected == count
        assert why in message
        assert send(ingest, b"{}", JSON, signal).content == b"{}"


# Once


def test_each_call_is_stored_once_however_it_comes_again(ingest):
    first, second, third = (call(n, f"once-{n}", trace=50) for n in (1, 2, 3))
    for request in (
        traces(first, second),
        traces(first, second),  # a retry
        traces(second, third, first),  # a collector that batches anew
    ):
        assert send(ingest, request).content == b""
    assert send(ingest, traces(third, first), JSON).json() == {}
    assert ids_of(ingest, "once-") == ["once-1", "once-2", "once-3"]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("knows_response", [True, False])
def test_a_framework_around_a_client_library_is_one_call(ingest, together, knows_response):
    trace = 60 + together + 2 * knows_response
    outer = call(1, f"framed-{trace}" if knows_response else "", trace=trace, name="ChatOpenAI")
    between = otlp.span(2, parent=1, trace=trace, name="POST")
    inner = call(3, f"framed-{trace}", parent=2, trace=trace)
    requests = [traces(inner, between, outer)] if together else [traces(inner, between), traces(outer)]
    for request in (*requests, *requests):
        assert send(ingest, request).content == b""
    found = [row for row in rows_of(ingest) if row["id"] in (f"framed-{trace}", f"{1:016x}")]
    assert [row["id"] for row in found] == [f"framed-{trace}"]


def test_calls_below_a_tool_or_an_agent_are_their_own(ingest):
    agent = otlp.span(1, {"gen_ai.operation.name": "invoke_agent"}, trace=70, name="invoke_agent")
    outer = call(2, "agentic-outer", parent=1, trace=70)
    tool = otlp.span(3, {"gen_ai.operation.name": "execute_tool"}, parent=2, trace=70, name="execute_tool")
    inner = call(4, "agentic-inner", parent=3, trace=70)
    assert send(ingest, traces(inner, tool, outer, agent)).content == b""
    assert ids_of(ingest, "agentic-") == ["agentic-inner", "agentic-outer"]


def test_spans_that_lie_in_each_other_in_a_circle_are_one_call(ingest):
    around = [call(n, f"circle-{n}", parent=3 - n, trace=71) for n in (1, 2)]
    itself = call(3, "circle-3", parent=3, trace=71)
    assert send(ingest, traces(*around, itself)).content == b""
    assert len(ids_of(ingest, "circle-")) == 2


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_many_calls_of_a_request_are_stored_together_and_each_once(ingest, encoding):
    trace = {PROTOBUF: 500, JSON: 600}[encoding]
    name = f"many-{trace}"
    calls = [call(n, f"{name}-{n:02}", trace=trace + n % 7, parent=90 + n) for n in range(1, 61)]
    expected = [f"{name}-{n:02}" for n in range(1, 61)]
    assert partial(send(ingest, traces(*calls[:1]))).rejected_spans == 0
    for _ in range(2):  # one of them is known, and then all
        assert send(ingest, traces(*calls), encoding).status_code == 200
        assert ids_of(ingest, name) == expected
    again = call(61, f"{name}-01", trace=trace + 90)  # the id of another trace
    answer = send(ingest, traces(*calls[1:], again, call(62, trace=trace, start=NOW - 90 * 86400)), encoding)
    rejected = (
        partial(answer).rejected_spans
        if encoding == PROTOBUF
        else int(answer.json()["partialSuccess"]["rejectedSpans"])
    )
    assert rejected == 1
    assert ids_of(ingest, name) == sorted([*expected, f"{name}-01"])


def test_the_same_response_in_another_trace_or_of_another_client_is_another_call(ingest):
    for trace, client in ((80, "acme"), (81, "acme"), (80, "initech")):
        assert send(ingest, traces(call(1, "cached", trace=trace), watchkeeper__client=client)).content == b""
    assert ids_of(ingest, "cached") == ["cached", "cached"]
    assert ids_of(ingest, "cached", Stream("initech", "support-bot")) == ["cached"]


def test_exporters_at_once_with_the_same_spans_store_each_call_once(ingest):
    requests = [traces(*(call(n, f"race-{n}", trace=90 + n % 3) for n in range(1, 61))) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: send(ingest, request), requests))
    assert {answer.content for answer in answers} == {b""}
    assert len(ids_of(ingest, "race-")) == 60


# Whatever comes


ENCODINGS = st.sampled_from([PROTOBUF, JSON, "application/json; charset=utf-8", "", "x"])


@given(st.binary(max_size=200), ENCODINGS, st.sampled_from(["traces", "logs", "metrics"]), st.booleans())
@settings(max_examples=examples(60), deadline=None)
def test_no_body_is_answered_with_a_failure_of_the_server(ingest, body, encoding, signal, packed):
    headers = {"content_encoding": "gzip"} if packed else {}
    answer = send(ingest, gzip.compress(body) if packed else body, encoding, signal, **headers)
    assert answer.status_code in (200, 400), answer.content
    assert answer.headers["content-type"] in (PROTOBUF, JSON)
