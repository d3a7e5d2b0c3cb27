"""OTLP while something is wrong: what exporters are answered then, and what the official ones do about it."""

import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from monitor.clock import ManualClock, SystemClock
from monitor.gauges.metrics_endpoints.otlp_metrics import MetricsReceiver, OtlpMetrics, OtlpMetricsSettings
from monitor.sources.otlp.calls import calls_of
from monitor.web.settings import WebSettings
from tests.support import otlp
from tests.support.ingest_server import serving
from tests.support.log import NOW
from tests.support.otlp import JSON, call, ids_of, send_once, traces
from tests.support.waiting import until


def test_a_locked_database_means_503_and_a_later_retry_is_stored_once(tmp_path):
    with serving(tmp_path, ManualClock(NOW), acknowledge_within=0.5) as ingest:
        request = traces(*(call(n, f"locked-{n}") for n in (1, 2, 3)))
        until(lambda: send_once(ingest, traces(call(9, "before"))).status_code == 200, "a call is stored")
        blocker = sqlite3.connect(tmp_path / "watchkeeper.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        answer = send_once(ingest, request)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert Status.FromString(answer.content).code == 14
        blocker.execute("ROLLBACK")
        blocker.close()
        for _ in range(2):
            until(lambda: send_once(ingest, request).status_code == 200, "they are stored, or known")
        assert ids_of(ingest, "locked-") == ["locked-1", "locked-2", "locked-3"]


def test_a_body_that_does_not_arrive_in_time_means_503(tmp_path):
    with serving(tmp_path, ManualClock(NOW), WebSettings(body_within=0.3)) as ingest:
        port = int(ingest.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=300) as slow:
            head = f"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {JSON}\r\n"
            slow.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
            answer = slow.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in answer.lower()


def test_a_request_that_would_wait_too_long_for_its_turn_means_503(tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments):
        begun.set()
        assert go_on.wait(300)
        return calls_of(*arguments)

    monkeypatch.setattr("monitor.web.ingest.otlp.calls_of", slow)
    monkeypatch.setattr("monitor.web.ingest.otlp._ANSWER_WITHIN", 2.0)
    with serving(tmp_path, ManualClock(NOW)) as ingest, ThreadPoolExecutor(1) as pool:
        first = pool.submit(send_once, ingest, traces(call(1, "turn-1")))
        assert begun.wait(300)
        answer = send_once(ingest, traces(call(2, "turn-2")))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        monkeypatch.undo()
        go_on.set()
        assert first.result(20).status_code == 200
        assert send_once(ingest, traces(call(2, "turn-2"))).status_code == 200
        assert ids_of(ingest, "turn-") == ["turn-1", "turn-2"]


def test_a_fault_of_our_own_is_never_a_500(tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("a fault of ours")

    monkeypatch.setattr("monitor.web.ingest.otlp.calls_of", broken)
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        answer = send_once(ingest, traces(call(1, trace=100)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "a fault of ours" in caplog.text
    assert "a fault of ours" not in answer.text


# The official exporter


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_official_exporter_delivers_its_spans(tmp_path, compression, monkeypatch):
    with serving(tmp_path, SystemClock()) as ingest:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ingest.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization=Bearer%20{ingest.make_key('acme')}")
        provider = TracerProvider(resource=Resource.create({"service.name": "support-bot"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(compression=compression)))
        tracer = provider.get_tracer("test")
        for number in range(20):
            with tracer.start_as_current_span("chat gpt-4o-mini", attributes=otlp.CALL) as span:
                span.set_attribute("gen_ai.response.id", f"exported-{number:02}")
        provider.shutdown()
        assert ids_of(ingest, "exported-") == [f"exported-{number:02}" for number in range(20)]


def test_the_official_exporter_sends_again_what_a_busy_daemon_refused(tmp_path, monkeypatch, caplog):
    with serving(tmp_path, SystemClock(), acknowledge_within=0.2) as ingest:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ingest.url)
        monkeypatch.setattr("monitor.web.ingest.otlp.status_of", lambda _: (503, [("retry-after", "1")]))
        blocker = sqlite3.connect(tmp_path / "watchkeeper.db", isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN IMMEDIATE")
        provider = TracerProvider(
            resource=Resource.create({"service.name": "support-bot", "watchkeeper.client": "acme"})
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        with provider.get_tracer("test").start_as_current_span("chat", attributes=otlp.CALL) as span:
            span.set_attribute("gen_ai.response.id", "again")
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(provider.shutdown)
            until(lambda: "retrying in" in caplog.text, "the exporter was refused once")
            blocker.execute("ROLLBACK")
            ended.result(30)
        blocker.close()
        assert ids_of(ingest, "again") == ["again"]


def test_the_official_exporter_fills_gauges(tmp_path, caplog):
    series = [
        {"quantity": "queue_depth", "series": ["queue"], "resource": "queue:{shard}"},
        {"quantity": "requests", "series": ["calls"], "resource": "calls"},
        {"quantity": "timed_requests", "series": ["took_count"], "resource": "calls"},
    ]
    gauge = OtlpMetrics(OtlpMetricsSettings.model_validate({"series": series}))
    with serving(tmp_path, ManualClock(NOW), metrics=MetricsReceiver([gauge])) as ingest:
        exporter = OTLPMetricExporter(f"{ingest.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader])
        meter = provider.get_meter("test")
        queue, calls, took = (
            meter.create_up_down_counter("queue"),
            meter.create_counter("calls"),
            meter.create_histogram("took"),
        )
        for number in (3, 4):
            queue.add(number, {"shard": 1})
            calls.add(number)
            took.record(0.5)
            assert provider.force_flush(5000)
        provider.shutdown()
    found = {(one.quantity.value, one.resource): one.value for one in gauge.read()}
    assert found == {("queue_depth", "queue:1"): 7, ("requests", "calls"): 4, ("timed_requests", "calls"): 1}
    assert not caplog.records


def test_the_official_exporter_of_metrics_does_not_retry(tmp_path, caplog):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        exporter = OTLPMetricExporter(f"{ingest.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader])
        provider.get_meter("test").create_counter("calls").add(1)
        assert provider.force_flush(5000)
        provider.shutdown()
    assert not caplog.records
