"""What a client's texts held is nowhere under the default policy: not on disk, on a page, in a mail or in a log."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest

from monitor.sources.brokers.redis import RedisSettings
from monitor.store import quarantine
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support import http
from tests.support.broker_servers import RedisServer
from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.leaks import KEY, LEAK, MAIL, PLANTED
from tests.support.mailbox import Inbox, mail_server
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.relays import relaying, settings_of
from tests.support.source_checks import record, runner
from tests.support.stand_in import Reply, StandIn
from tests.support.waiting import until

CONFIG = """\
evaluate: {{every: 500ms, recent: 5s}}
alerts: {{critical: {{channels: [pagerduty, email, file]}}}}
clients:
  acme: {{name: Acme, models: {{bot: {{title: Assistant}}}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  email: {{host: 127.0.0.1, port: {port}, security: none, sender: wk@example.org, to: [team@example.org]}}
  file: {{path: "{folder}/pages.jsonl"}}
  console: true
"""


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, time.time) as stand_in:
        yield stand_in


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    with mail_server() as found:
        yield found


def written(mail: EmailMessage) -> str:
    """All of a mail: as it was sent, and its parts as they are read."""
    parts = [str(part.get_content()) for part in mail.walk() if not part.is_multipart()]
    return "\n".join([mail.as_string(), *parts])


def calls(number: int) -> list[dict[str, object]]:
    """Calls that leak in every text; one of them is refused, and one line is no JSON."""
    own = {"input": "what is in the file?", "output": LEAK}
    given = {
        "input": LEAK,
        "output": "fine",
        "context": [LEAK],
        "tool_results": LEAK,
        "system": LEAK,
        "samples": [LEAK],
    }
    ids = (f"{time.time()}-{number}-{place}" for place in range(3))
    record = {"client": "acme", "model": "bot", "version": "1"}
    return [
        {**record, "id": next(ids), "texts": own},
        {**record, "id": next(ids), "texts": given},
        {**record, "id": next(ids), "texts": own, "confidence": "high"},
    ]


def attributes(values: dict[str, object]) -> list[dict[str, object]]:
    """Attributes of OpenTelemetry in JSON."""
    return [
        {"key": key, "value": {"stringValue": one if isinstance(one, str) else json.dumps(one)}}
        for key, one in values.items()
    ]


def messages(role: str, text: str) -> list[dict[str, object]]:
    return [{"role": role, "parts": [{"type": "text", "content": text}]}]


def spans(leak: str) -> dict[str, object]:
    """A call whose texts leak, one that failed with a message that does, and one that is refused for its time."""
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt",
        "gen_ai.input.messages": messages("user", leak),
        "gen_ai.output.messages": messages("assistant", leak),
        "gen_ai.system_instructions": [{"type": "text", "content": leak}],
        "watchkeeper.context": [leak],
    }
    now = time.time_ns()
    span = {"traceId": f"{now:032x}", "name": "chat", "kind": 3, "attributes": attributes(texts)}
    times = {"startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now)}
    raised = {
        "name": "exception",
        "timeUnixNano": str(now),
        "attributes": attributes({"exception.message": leak}),
    }
    failed = {"status": {"code": 2, "message": leak}, "events": [raised]}
    never = {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    each = [{**times}, {**times, **failed}, never]
    resource = {"attributes": attributes({"service.name": "bot", "watchkeeper.client": "acme"})}
    all_spans = [{**span, **own, "spanId": f"{now + place:016x}"} for place, own in enumerate(each)]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": all_spans}]}]}


def log_records(leak: str) -> dict[str, object]:
    """Log records with texts in their body and attributes, and the result of an evaluation with an explanation."""
    explained = {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.explanation": leak,
        "gen_ai.response.id": "r",
    }
    of_call = {
        "gen_ai.input.messages": messages("user", leak),
        "gen_ai.output.messages": messages("assistant", leak),
    }
    ids = {"traceId": f"{time.time_ns():032x}", "spanId": f"{time.time_ns():016x}"}
    records = [
        {"eventName": name, "attributes": attributes(own), "body": {"stringValue": leak}, **ids}
        for name, own in (
            ("gen_ai.client.inference.operation.details", of_call),
            ("gen_ai.user.message", {"content": leak}),
            ("gen_ai.choice", {"message": {"content": leak}}),
            ("gen_ai.evaluation.result", explained),
        )
    ]
    resource = {"attributes": attributes({"service.name": "bot", "watchkeeper.client": "acme"})}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}


def send_other_ways(daemon: Daemon) -> None:
    """The same texts as Arrow, with OpenTelemetry, from a file, and as an outcome."""
    leak = LEAK
    texts = pa.array([{"input": leak, "output": leak, "context": [leak]}])
    table = pa.table({"id": ["a-1"], "model": ["bot"], "client": ["acme"], "texts": texts})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body = sink.getvalue().to_pybytes()
    arrow = "application/vnd.apache.arrow.stream"
    assert sent(daemon, "/v1/predictions", body, arrow).status_code == 202
    assert sent(daemon, "/v1/predictions", body[:-40], arrow).status_code in (202, 400, 422)
    for path, payload in (("/v1/traces", spans(leak)), ("/v1/logs", log_records(leak))):
        answer = sent(daemon, path, json.dumps(payload).encode(), "application/json")
        assert answer.status_code == 200, answer.text
    history = daemon.folder.parent / "history.jsonl"
    rows = [
        {"id": f"h-{place}", "timestamp": time.time() - 60, "texts": {"output": leak}} for place in range(2)
    ]
    lines = [
        json.dumps(rows[0]),
        json.dumps(rows[1] | {"confidence": "high"}),
        '{"texts": {"output": "' + leak,
    ]
    history.write_text("\n".join(lines))
    done = watchkeeper("load", "acme/bot", str(history), "--config", str(daemon.config))
    listed = watchkeeper("quarantine", "--config", str(daemon.config))
    for told in (answer.text, done.stdout + done.stderr, listed.stdout + listed.stderr):
        assert not [planted for planted in PLANTED if planted in told], told
    assert "acme" in listed.stdout


def sent(daemon: Daemon, path: str, body: bytes, content_type: str) -> httpx2.Response:
    headers = {"content-type": content_type}
    return http.post(f"{daemon.url}{path}", content=body, headers=headers, timeout=300, verify=daemon.verify)


def test_nothing_that_was_redacted_is_left_anywhere(
    tmp_path: Path, pager: PagerDutyStandIn, inbox: tuple[Inbox, int]
) -> None:
    folder = tmp_path / "daemon"
    folder.mkdir()
    mails, port = inbox
    config = CONFIG.format(key=pager.routing_key, url=pager.url, ca=pager.ca_file, port=port, folder=folder)
    with Daemon(folder, config) as daemon:

        def is_paged() -> bool:
            assert daemon.post("/v1/predictions", calls(0)).status_code == 202
            told = str([one.events for one in pager.incidents])
            return all(rule in told for rule in ("card numbers", "keys, tokens or passwords"))

        until(is_paged, "the leaks are paged")
        until(lambda: mails.mails, "a mail is there")
        lines = f'{{"client": "acme", "model": "bot", "texts": {{"output": "{MAIL} {KEY}'
        assert daemon.post("/v1/predictions", lines).status_code in (400, 422)
        send_other_ways(daemon)
        model = "/staff/m/acme/bot/production"
        addresses = (
            model,
            f"{model}/texts",
            f"{model}/texts?signal=secret_leak",
            f"{model}/features",
            "/staff/quarantine",
            "/staff/alerts",
            "/staff/audit",
            "/staff/",
            "/c/acme/",
            "/c/acme/m/bot",
            "/api/v1/clients/acme/alerts",
            "/api/v1/clients/acme/models/bot/signals",
            "/metrics",
        )
        pages = {address: daemon.get(address) for address in addresses}
        shown = pages[f"{model}/texts?signal=secret_leak"].text
        assert "[card]" in shown
        assert "[secret]" in shown
        assert "secret_leak" in pages[model].text
        said = {address: answer.text for address, answer in pages.items()}
        said |= {
            "pager": str([one.events for one in pager.incidents]),
            "mail": "\n".join(map(written, mails.mails)),
        }
        until(lambda: "read texts" in daemon.get("/staff/audit").text, "the look is in the audit log")
        on_disk = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    on_disk |= {f"{path.name} afterwards": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(name.endswith("-wal") for name in on_disk)
    for planted in PLANTED:
        for where, text in said.items():
            assert planted not in text, f"{planted} on {where}"
        for name, content in on_disk.items():
            assert planted.encode() not in content, f"{planted} in {name}"
            assert planted.encode("utf-16-le") not in content


def test_no_message_of_a_broker_leaves_what_its_texts_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    folder = tmp_path / "store"
    folder.mkdir()
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    migrate(store)
    server = RedisServer(tmp_path / "redis")
    (tmp_path / "redis").mkdir()
    server.start()
    texts = {"input": LEAK, "output": LEAK, "context": [LEAK], "system": LEAK}
    good = [record(0, texts=texts), record(1, texts=texts), record(2, prompt=LEAK, extra={"a": LEAK})]
    bad = [
        record(3, texts=texts, confidence="high"),
        record(4, texts=texts)[:-5],
        json.dumps(LEAK).encode(),
        b"\xff" + LEAK.encode(),
        json.dumps({LEAK: LEAK}).encode(),
        record(5, prompt=LEAK, confidence="high"),
        record(6, confidence=LEAK),
        record(7, segments={LEAK: [LEAK]}),
    ]
    try:
        server.send("calls", [*good, *bad])
        source = RedisSettings(url=f"127.0.0.1:{server.port}", stream="calls")
        reading = runner(store, source)
        reading.start()
        until(lambda: reading.state().accepted == 3 and reading.state().rejected >= len(bad), "all are read")
        reading.stop()
        with store.read() as connection:
            assert len(quarantine.latest(connection, None, 100)) >= 4
    finally:
        server.kill()
        store.close()
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for planted in PLANTED:
        assert planted not in caplog.text
        assert not [name for name, content in files.items() if planted.encode() in content], planted


def test_a_relay_keeps_nothing_that_the_daemon_has_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    folder = tmp_path / "relay"

    def left() -> list[str]:
        names = []
        for path in filter(Path.is_file, folder.rglob("*")):
            with suppress(FileNotFoundError):  # one that takes the place of another
                names += [path.name] if MAIL.encode() in path.read_bytes() else []
        return names

    is_open = threading.Event()
    taken = Reply(202, {"accepted": 1, "rejected": []})
    with (
        StandIn(lambda _: taken if is_open.is_set() else Reply(503, {})) as upstream,
        relaying(settings_of(folder, upstream.url)) as (_, sender),
    ):
        for number in range(3):
            assert sender.post("/v1/predictions", json=calls(number)).status_code == 202
        assert left(), "what waits is on disk"
        assert folder.stat().st_mode & 0o077 == 0, "for the relay's user alone"
        is_open.set()
        until(lambda: not left(), "what was taken is gone")
    assert not [planted for planted in PLANTED if planted in caplog.text]
