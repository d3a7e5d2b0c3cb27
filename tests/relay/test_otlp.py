"""OTLP through a relay: answered at once, sent later, read by the daemon as what it is."""

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.clock import ManualClock
from monitor.records import Stream
from monitor.relay.responses import Disposition, read_otlp_answer
from monitor.store.api_keys import KeyKind
from monitor.web.ingest.otlp_reply import Encoding, OtlpSignal, of_failure, of_success
from tests.support.ingest_server import serving
from tests.support.log import NOW
from tests.support.otlp import BOT, JSON, PROTOBUF, as_json, call, gauge, ids_of, traces
from tests.support.relays import OTHER_KEY, relaying, settings_of
from tests.support.stand_in import Reply, StandIn
from tests.support.thorough import examples
from tests.support.waiting import until

RESPONSES = {
    "rejected_spans": ExportTraceServiceResponse,
    "rejected_log_records": ExportLogsServiceResponse,
    "rejected_data_points": ExportMetricsServiceResponse,
}


@given(
    st.sampled_from(sorted(RESPONSES)),
    st.integers(0, 2**40),
    st.text(max_size=100),
    st.sampled_from([PROTOBUF, JSON]),
)
@settings(max_examples=examples(30), deadline=None)
def test_the_official_responses_are_read(field, rejected, message, encoding):
    response = RESPONSES[field]()
    setattr(response.partial_success, field, rejected)
    response.partial_success.error_message = message
    content = {PROTOBUF: response.SerializeToString(), JSON: json_format.MessageToJson(response).encode()}
    found = read_otlp_answer(200, encoding, content[encoding], "")
    shown = rejected if encoding == PROTOBUF or rejected < 10**9 else 0
    assert (found.verdict, found.rejected) == (Disposition.TAKEN, shown)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("status", [400, 401, 413, 429, 503])
def test_what_the_daemon_says_of_a_failure_is_read(encoding, status):
    content = of_failure(encoding, status, "it is no OTLP; look at it").body
    if encoding is Encoding.PROTOBUF:
        assert Status.FromString(content).message == "it is no OTLP; look at it"
    found = read_otlp_answer(status, encoding.value, content, "7")
    assert found.reason == f"{status}: it is no OTLP; look at it"
    assert found.verdict is (Disposition.REFUSED if status in (400, 413) else Disposition.LATER)


@pytest.mark.parametrize(
    "body",
    [b"<html>welcome</html>", b"", b"{}", b'{"a": 1}', b"[]", b"\x0a\xff", b"\xff" * 30, b"\x12\x02hi"],
)
@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/x-protobuf", ""])
def test_a_portal_that_answers_200_to_everything_takes_nothing(kind, body):
    found = read_otlp_answer(200, kind, body, "")
    is_otlp = (kind, body) in (("application/json", b"{}"), ("application/x-protobuf", b""))
    assert (found.verdict is Disposition.TAKEN) == is_otlp
    for signal in OtlpSignal:
        assert read_otlp_answer(200, JSON, of_success(Encoding.JSON, signal, 3, "no").body, "").rejected == 3


def test_spans_reach_the_daemon_once_as_their_senders_client(tmp_path):
    """The daemon is away at first. One exporter sends the same twice, one sends as another client."""
    sent = traces(call(1, "mine"), watchkeeper__client=None)
    foreign = traces(call(2, "theirs", trace=2), watchkeeper__client="globex")
    with StandIn(lambda _: Reply(503, b"away")) as away:
        chosen = settings_of(tmp_path / "relay", away.url)
        with relaying(chosen) as (_, sender):
            for encoding, body in (
                (PROTOBUF, sent.SerializeToString()),
                (JSON, as_json(sent)),
                (PROTOBUF, foreign.SerializeToString()),
            ):
                answer = sender.post("/v1/traces", content=body, headers={"Content-Type": encoding})
                assert (answer.status_code, answer.headers["content-type"]) == (200, encoding)
                assert answer.content == (b"{}" if encoding == JSON else b"")
            metrics = gauge(3).SerializeToString()
            assert (
                sender.post("/v1/metrics", content=metrics, headers={"Content-Type": PROTOBUF}).status_code
                == 200
            )
            assert (
                sender.post("/v1/traces", content=b"", headers={"Content-Type": PROTOBUF}).status_code == 200
            )
            until(lambda: away.asked, "the daemon is asked")
            assert away.asked[0].path == "/v1/traces"
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        key = ingest.make_key("")
        upstream = {"url": ingest.url, "key": key, "timeout": "5s"}
        with relaying(settings_of(tmp_path / "relay", ingest.url, upstream=upstream)) as (relay, _):
            state = relay.forwarders["line-3"].state
            until(lambda: state.sent == 4, "all are sent")
            assert (state.rejected_records, state.set_aside) == (4, 0)
        assert ids_of(ingest, "mine", Stream("acme", BOT.model)) == ["mine"]
        assert ids_of(ingest, "theirs", Stream("globex", BOT.model)) == []


def test_who_may_not_send_is_told_in_the_language_of_otlp(tmp_path):
    with StandIn(lambda _: Reply(503)) as away, relaying(settings_of(tmp_path, away.url)) as (_, sender):
        wrong = {"Authorization": "Bearer wrong", "Content-Type": PROTOBUF}
        answer = sender.post("/v1/logs", content=b"", headers=wrong)
        assert (answer.status_code, "not valid" in Status.FromString(answer.content).message) == (401, True)
        answer = sender.post("/v1/logs", content=b"x", headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        assert sender.put("/v1/logs", content=b"x").status_code == 405


def test_a_key_of_another_client_refuses_what_a_relay_sends_for_one(tmp_path):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        upstream = {"url": ingest.url, "key": ingest.make_key("acme", KeyKind.INGEST), "timeout": "5s"}
        with relaying(settings_of(tmp_path / "relay", ingest.url, upstream=upstream)) as (relay, sender):
            headers = {"Authorization": f"Bearer {OTHER_KEY}", "Content-Type": PROTOBUF}
            body = traces(call(1, "x"), watchkeeper__client=None).SerializeToString()
            assert sender.post("/v1/traces", content=body, headers=headers).status_code == 200
            state = relay.forwarders["line-4"].state
            until(lambda: state.error, "it is refused")
            assert "another client" in state.error
        assert ids_of(ingest, "", Stream("acme", BOT.model)) == []
