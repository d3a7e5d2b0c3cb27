"""A relay between senders and a daemon that is away, refuses, or answers as nobody should."""

import gzip
import json
import socket
import threading
import time

import pytest

from monitor.errors import BusyError, WatchkeeperError
from monitor.relay import frames
from monitor.relay.relay import Relay
from monitor.relay.request_queue import RequestQueue
from monitor.relay.status import retry, status_of
from tests.support.relays import OTHER_KEY, UPSTREAM_KEY, relaying, settings_of
from tests.support.slow_peers import Manner, peer
from tests.support.stand_in import Asked, Reply, StandIn
from tests.support.waiting import until

TAKEN = Reply(202, {"accepted": 1, "rejected": []})


@pytest.fixture
def upstream():
    with StandIn(lambda _: TAKEN) as stand_in:
        yield stand_in


def test_a_request_is_passed_on_unread_with_what_matters(tmp_path, upstream):
    bodies = [b'{"id": 1}', gzip.compress(b"[]"), b"\x00\xff not json", b"[]"]
    with relaying(settings_of(tmp_path, upstream.url)) as (_, sender):
        for number, body in enumerate(bodies):
            answer = sender.post(
                "/v1/outcomes" if number % 2 else "/v1/predictions/",
                content=body,
                headers={
                    "Idempotency-Key": f"own-{number} é".encode("latin-1"),
                    "Content-Type": "application/x-ndjson",
                    "Content-Encoding": "gzip",
                    "Watchkeeper-Relay-Client": "globex",
                    "X-Forwarded-For": "10.0.0.1",
                },
            )
            assert (answer.status_code, answer.json()["relayed"]) == (202, True)
        assert sender.post("/v1/predictions", content=b"{}").status_code == 202
        until(lambda: len(upstream.asked) == 5, "all have arrived")
    assert [asked.body for asked in upstream.asked] == [*bodies, b"{}"]
    for number, asked in enumerate(upstream.asked[:4]):
        assert asked.path == ("/v1/outcomes" if number % 2 else "/v1/predictions")
        assert asked.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert asked.headers["idempotency-key"] == f"own-{number} é"
        assert asked.headers["content-type"] == "application/x-ndjson"
        assert asked.headers["content-encoding"] == "gzip"
        assert asked.headers["watchkeeper-relay-client"] == "acme", (
            "that of the key, whatever the sender says"
        )
        assert "x-forwarded-for" not in asked.headers
    keyless = upstream.asked[4].headers
    assert keyless["watchkeeper-request"].startswith("relay-")
    assert "idempotency-key" not in keyless


def test_who_may_send(tmp_path, upstream):
    with relaying(settings_of(tmp_path, upstream.url)) as (_, sender):
        for key in (
            "",
            "Bearer",
            "Bearer nobody's",
            f"Basic {OTHER_KEY}",
            f"Bearer {OTHER_KEY}x",
            "Bearer \xff",
        ):
            headers = {"Authorization": key.encode("latin-1")}
            assert sender.post("/v1/predictions", content=b"{}", headers=headers).status_code == 401, key
        headers = {"Authorization": f"bearer {OTHER_KEY}"}
        assert sender.post("/v1/predictions", content=b"{}", headers=headers).status_code == 202
        until(lambda: upstream.asked, "it has arrived")
        statuses = [sender.get(path).status_code for path in ("/v1/predictions", "/healthz", "/metrics", "/")]
        assert statuses == [405, 200, 200, 404]
        assert sender.post("/v1/releases", content=b"{}").status_code == 404
        assert sender.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 401
        assert 'watchkeeper_relay_requests_total{code="401"}' in sender.get("/metrics").text
    assert [asked.headers["watchkeeper-relay-client"] for asked in upstream.asked] == ["globex"]


def test_what_the_daemon_refuses_is_set_aside_and_the_others_go_on(tmp_path, upstream):
    answers = {
        b"bad": Reply(400, {"error": "no records", "hint": "send some"}),
        b"big": Reply(413, b"<html>"),
    }
    partly = {"accepted": 1, "rejected": [{"index": 0, "error": "no model", "hint": ""}]}
    answers[b"partly"] = Reply(202, partly)
    upstream.answer = lambda asked: answers.get(asked.body, TAKEN)
    with relaying(settings_of(tmp_path, upstream.url)) as (relay, sender):
        for body in (b"bad", b"big", b"partly", b"good"):
            assert sender.post("/v1/predictions", content=body).status_code == 202
        until(lambda: relay.forwarders["line-3"].state.sent == 2, "the others are sent")
        mine = until(
            lambda: next(one for one in status_of(tmp_path, 10**9, time.time()).keys if one.rejected), "told"
        )
        assert (mine.key, len(mine.set_aside), mine.rejected_records) == ("line-3", 2, 1)
        assert mine.rejected == "no model"
        assert "413" in mine.set_aside_reason
        assert relay.buffer.aside["line-3"].size > 0
        assert [asked.body for asked in upstream.asked] == [b"bad", b"big", b"partly", b"good"], "each once"
        del answers[b"bad"]
        assert retry(tmp_path) == 2
        until(lambda: relay.forwarders["line-3"].state.sent == 3, "one is taken now")
        until(lambda: len(upstream.asked) == 6, "the other one is refused again")
        until(lambda: not list(tmp_path.glob("keys/*/again/*")), "none waits")
    assert [len(one.set_aside) for one in status_of(tmp_path, 10**9, 0).keys] == [1, 0]


@pytest.mark.parametrize("status", [401, 500])
def test_while_the_daemon_takes_nothing_requests_wait_and_other_keys_do_not(tmp_path, upstream, status):
    is_well = False

    def answer(asked: Asked) -> Reply:
        if is_well or asked.headers["watchkeeper-relay-client"] == "globex":
            return TAKEN
        return Reply(status, {"error": "not now", "hint": ""})

    upstream.answer = answer
    with relaying(settings_of(tmp_path, upstream.url)) as (relay, sender):
        sender.post("/v1/predictions", content=b"1")
        until(lambda: relay.forwarders["line-3"].state.error, "it is told")
        sender.post("/v1/predictions", content=b"2", headers={"Authorization": f"Bearer {OTHER_KEY}"})
        until(lambda: relay.forwarders["line-4"].state.sent, "the other key's request is sent")
        assert str(status) in relay.forwarders["line-3"].state.error
        assert 'watchkeeper_relay_is_held{key="line-3"} 1' in sender.get("/metrics").text
        is_well = True
        until(lambda: relay.forwarders["line-3"].state.sent, "it is sent")
        until(lambda: not relay.forwarders["line-3"].state.error, "all is well again")
    keys = {asked.headers["watchkeeper-request"] for asked in upstream.asked if asked.body == b"1"}
    assert len(keys) == 1, "the same key each time"


@pytest.mark.parametrize("manner", [Manner.DRIP, Manner.FLOOD, Manner.RESET])
def test_a_daemon_that_answers_as_nobody_should_costs_one_deadline(tmp_path, manner):
    with peer(manner) as made:
        upstream = {"url": f"http://127.0.0.1:{made.port}", "key": UPSTREAM_KEY, "timeout": "1s"}
        with relaying(settings_of(tmp_path, "", upstream=upstream)) as (relay, sender):
            assert sender.post("/v1/predictions", content=b"{}").status_code == 202
            until(lambda: relay.forwarders["line-3"].state.attempts_failed, "the attempt has ended")
            assert relay.buffer.queues["line-3"].waiting
            assert sender.get("/healthz").status_code == 200


def test_one_relay_at_a_time_uses_a_folder(tmp_path, upstream):
    settings = settings_of(tmp_path, upstream.url)
    with relaying(settings):
        assert status_of(tmp_path, 1, 0).is_running
        with pytest.raises(WatchkeeperError, match="another relay"):
            Relay(settings_of(tmp_path, upstream.url))
        with pytest.raises(WatchkeeperError, match=r"cannot listen.*relay\.listen"):
            Relay(settings)
    assert not status_of(tmp_path, 1, 0).is_running


def test_a_thread_goes_on_after_what_the_disk_or_a_bug_raises(tmp_path, upstream, monkeypatch):
    failures = [OSError(5, "Input/output error"), ValueError("a bug")]
    real = frames.read

    def read(*place):
        if failures:
            raise failures.pop(0)
        return real(*place)

    def append(self, requests):
        monkeypatch.undo()
        monkeypatch.setattr(frames, "read", read)
        raise ValueError("a bug")

    monkeypatch.setattr(RequestQueue, "append", append)
    with relaying(settings_of(tmp_path, upstream.url)) as (relay, sender):
        assert sender.post("/v1/predictions", content=b"1").status_code == 503
        assert sender.post("/v1/predictions", content=b"1").status_code == 202
        until(lambda: relay.forwarders["line-3"].state.sent, "it is sent")
    assert not failures
    assert [asked.body for asked in upstream.asked] == [b"1"]


def test_a_full_or_old_buffer_answers_503_and_loses_nothing(tmp_path, upstream):
    upstream.answer = lambda _: Reply(503, {"error": "away", "hint": ""})
    options = {"buffer": 1_000_000, "keys": {"line-3": {"client": "acme", "key": "wkr_line-3_0123456789"}}}
    with relaying(settings_of(tmp_path, upstream.url, **options)) as (relay, sender):
        taken = []
        while (
            answer := sender.post("/v1/predictions", content=b"%d" % len(taken) * 90_000)
        ).status_code == 202:
            taken.append(b"%d" % len(taken) * 90_000)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 5
        assert "relay.buffer" in answer.json()["error"]
        assert 8 <= len(taken) <= 11
        assert relay.buffer.full_answers == 1
        with pytest.raises(BusyError, match=r"relay\.keep"):
            relay.buffer.ensure_room("line-3", -900_000, time.time() + 8 * 86_400)
        upstream.answer = lambda _: TAKEN
        until(lambda: relay.forwarders["line-3"].state.sent == len(taken), "all are sent")
        assert sender.post("/v1/predictions", content=b"more").status_code == 202
    arrived = list(dict.fromkeys(asked.body for asked in upstream.asked))
    assert arrived[: len(taken)] == taken


def hostile(port: int, head: bytes, seconds: float) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.settimeout(seconds)
        received = b""
        try:
            line.sendall(head)
            while part := line.recv(65_536):
                received += part
        except OSError:
            pass
        return received


def test_hostile_senders_are_ended_and_leave_nothing(tmp_path, upstream):
    settings = settings_of(tmp_path, upstream.url, body_within="1s", body_limit=1000)
    start = b"POST /v1/predictions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    start += b"Authorization: Bearer wkr_line-3_0123456789\r\n"
    cases = {
        start + b"Content-Length: 500\r\n\r\nabc": b" 408 ",
        start + b"Content-Length: 5000000\r\n\r\n": b" 413 ",
        start
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"3e8\r\n"
        + b"x" * 1000
        + b"\r\n1\r\nx\r\n": b" 413 ",
        start + b"X: " + b"y" * 70_000: b" 431 ",
        start + b"a: b\r\n" * 300 + b"\r\n": b" 431 ",
        start + b"Idempotency-Key: " + b"k" * 2000 + b"\r\nContent-Length: 1\r\n\r\n1": b" 400 ",
        start + b"\r\n": b" 400 ",
        b"\x16\x03\x01 not http \r\n\r\n": b" 400 ",
    }
    with relaying(settings) as (relay, sender):
        answers = dict.fromkeys(cases, b"")

        def attack(head: bytes) -> None:
            answers[head] = hostile(settings.web.port, head, 8)

        threads = [threading.Thread(target=attack, args=(head,)) for head in cases]
        for thread in threads:
            thread.start()
        assert sender.post("/v1/predictions", content=b"good").status_code == 202
        for thread in threads:
            thread.join(300)
        for head, status in cases.items():
            assert answers[head][8:13] == status, (head[80:160], answers[head][:100])
        until(lambda: relay.forwarders["line-3"].state.sent == 1, "the good one is sent")
    assert [asked.body for asked in upstream.asked] == [b"good"]
    assert json.loads((tmp_path / "keys" / "line-3" / "state.json").read_bytes())["sent"] == 1
