"""Records from NATS JetStream: every message once, also where it is delivered again."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy

from monitor.sources.brokers import nats_limits
from monitor.sources.brokers.nats import NatsSettings
from monitor.sources.brokers.nats_pull import Pull, SubscriptionInbox
from monitor.sources.source import Fetched, Source, SourceError
from monitor.store.db import Store
from tests.support.broker_servers import NatsServer
from tests.support.source_checks import (
    check_acknowledged_after_the_commit,
    check_invalid_settings,
    check_once_through_a_crash,
    check_open_fails,
    check_peek,
    check_poison,
    check_reconnect,
    record,
    records,
    runner,
    stored,
)
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.kill()


def settings(server: NatsServer, stream: str, **more: Any) -> NatsSettings:
    return NatsSettings(servers=(f"127.0.0.1:{server.port}",), stream=stream, redeliver_after=1.0, **more)


def some(source: Source, most: int) -> Fetched | None:
    fetched = source.fetch(most, 1.0)
    return fetched if fetched.payloads else None


def test_each_message_is_stored_once_although_it_comes_again(server: NatsServer, store: Store) -> None:
    server.add("crash")
    check_once_through_a_crash(
        store, settings(server, "crash"), lambda bodies: server.send("crash.a", bodies)
    )


def test_a_message_is_acknowledged_only_after_the_commit(
    server: NatsServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("order")
    check_acknowledged_after_the_commit(
        store, settings(server, "order"), lambda bodies: server.send("order.a", bodies), monkeypatch
    )


def test_a_message_that_cannot_be_read_stops_none_of_the_others(server: NatsServer, store: Store) -> None:
    server.add("poison")
    send = lambda bodies: server.send("poison.a", bodies)  # noqa: E731
    check_poison(store, settings(server, "poison"), send, "stream poison, sequence")


def test_what_a_publisher_sends_again_is_recognized_by_its_id(server: NatsServer, store: Store) -> None:
    server.add("again", duplicate_window=0.1)
    body = record(1)
    server.send("again.a", [body], {"Nats-Msg-Id": "m-1"})
    time.sleep(0.3)  # beyond the server's own window
    server.send("again.a", [body, record(2)], {"Nats-Msg-Id": "m-1"})
    server.send("again.a", [record(3)])
    reading = runner(store, settings(server, "again"))
    reading.start()
    until(lambda: stored(store) == 2, "each message is stored")
    reading.stop()
    assert stored(store) == 2


def test_the_server_goes_away_and_comes_back(tmp_path: Path, store: Store) -> None:
    server = NatsServer(tmp_path)
    server.start()
    server.add("away")
    try:
        name = f"NATS at nats://127.0.0.1:{server.port}"
        check_reconnect(
            store, settings(server, "away"), server, lambda bodies: server.send("away.a", bodies), name
        )
    finally:
        server.kill()


def test_lag_counts_what_was_not_delivered_or_not_acknowledged(server: NatsServer) -> None:
    server.add("lag")
    server.send("lag.a", records(0, 40))
    server.send("lag.b", records(40, 45))
    source = settings(server, "lag", subject="lag.a").make_source("orders")
    try:
        source.open(dict)
        before = source.lag()
        assert before.waiting == 40
        assert before.oldest_seconds is not None
        assert 0 <= before.oldest_seconds < 60
        fetched = until(lambda: some(source, 15), "messages are fetched")
        assert source.lag().waiting == 40
        source.acknowledge(fetched)
        left = 40 - len(fetched.payloads)  # the server counts an acknowledgement after it has read it
        assert until(lambda: source.lag().waiting == left, "they are acknowledged")
        while source.lag().waiting:
            source.acknowledge(source.fetch(500, 1.0))
        after = source.lag()
    finally:
        source.close()
    assert (after.waiting, after.oldest_seconds) == (0, 0.0)


def test_what_was_fetched_is_given_back_at_once_when_the_source_is_closed(server: NatsServer) -> None:
    server.add("back")
    server.send("back.a", records(0, 10))
    section = settings(server, "back").model_copy(update={"redeliver_after": 3600.0})
    for _ in range(2):
        source = section.make_source("orders")
        source.open(dict)
        fetched = 0
        while fetched < 10:
            fetched += len(source.fetch(500, 1.0).payloads)
        source.close()


def test_a_source_with_nothing_to_give_back_disconnects_at_once(server: NatsServer) -> None:
    server.add("idle")
    source = settings(server, "idle").make_source("orders")
    source.open(dict)
    before = connections_to(server)
    source.close()
    assert (before, connections_to(server)) == (1, 0)


def connections_to(server: NatsServer) -> int:
    """How many sockets of this process are connected to the server."""
    mine = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of the listing itself
            mine.add(str(descriptor.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(f"socket:[{row[9]}]" in mine and row[2].endswith(f":{server.port:04X}") for row in rows)


def test_nothing_is_written_for_no_messages() -> None:
    written: list[bytes] = []

    class Connection:
        inbox = SubscriptionInbox

        async def _send_command(self, command: bytes) -> None:
            written.append(command)

        async def flush(self, seconds: int) -> None:
            pass

    asyncio.run(Pull(Connection(), "subject", 1).answer([], b"-NAK"))
    assert written == []


@pytest.mark.parametrize("retention", list(RetentionPolicy))
def test_peek_shows_the_last_messages_and_has_no_effect(
    server: NatsServer, retention: RetentionPolicy
) -> None:
    stream = f"peek-{retention.value}"
    server.add(stream, retention=retention)
    section = settings(server, stream, subject=f"{stream}.wanted")
    source = section.make_source("orders")
    source.open(dict)  # a stream by interest keeps only what somebody wants
    source.close()
    sent = records(0, 7)
    server.send(f"{stream}.wanted", sent)
    if retention is RetentionPolicy.LIMITS:
        server.send(f"{stream}.other", records(100, 130))
    check_peek(section, sent[:5] if retention is RetentionPolicy.LIMITS else sent[2:])
    source = section.make_source("orders")
    source.open(dict)
    assert source.lag().waiting == 7
    source.close()


def test_what_does_not_exist_is_said_in_words(server: NatsServer) -> None:
    for section, words in (
        (settings(server, "nothing"), "there is no stream nothing"),
        (NatsSettings(servers=("127.0.0.1:9",), stream="x"), r"NATS at nats://127\.0\.0\.1:9"),
    ):
        check_open_fails(section, words)


def test_a_consumer_that_is_deleted_or_of_another_kind_is_an_error(server: NatsServer) -> None:
    server.add("kinds")
    config = ConsumerConfig(durable_name="other", ack_policy=AckPolicy.ALL)
    server.with_stream(lambda js: js.add_consumer("kinds", config))
    source = settings(server, "kinds", consumer="other").make_source("orders")
    with pytest.raises(SourceError, match="not a pull consumer with explicit acknowledgement"):
        source.open(dict)
    source.close()
    source = settings(server, "kinds").make_source("orders")
    source.open(dict)
    server.with_stream(lambda js: js.delete_consumer("kinds", "watchkeeper"))
    with pytest.raises(SourceError, match="the consumer watchkeeper of stream kinds no longer exists"):
        source.lag()
    source.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"servers": ["http://x"]}, "not an address"),
        ({"servers": ["nats://user:secret@x"]}, "must not contain a user or a password"),
        ({"servers": []}, "at least one server"),
        ({"servers": ["x"], "stream": "a.b"}, "not the name of a stream"),
        ({"servers": ["x"], "stream": "a", "consumer": ""}, "not the name of a stream or consumer"),
    ],
)
def test_invalid_settings_are_rejected(values: dict[str, Any], words: str) -> None:
    check_invalid_settings(NatsSettings, {"stream": "s", **values}, words)


@pytest.mark.parametrize("largest", [0, 1, 1 << 20, 8 << 20, 64 << 20, 1 << 60])
def test_law_what_is_asked_for_at_once_fits_into_what_a_call_may_take(largest: int) -> None:
    count = nats_limits.batch(largest)
    assert 1 <= count <= 100
    assert count == 1 or count * largest <= nats_limits.MOST_BYTES // 2


def test_what_the_connection_reads_is_cut_into_messages_wherever_it_breaks() -> None:
    head = b"NATS/1.0\r\nNats-Msg-Id: a: b\r\nX:\r\n\r\n"
    bodies = [b"", b"{}\r\nMSG x 7 5\r\n", b"\xff" * 300, b"PING\r\n"]
    reply = "$JS.ACK.s.c.1.%d.1.1700000000500000000.0"
    stream, expected = b"", []
    for number, body in enumerate(bodies):
        to = (reply % number).encode()
        stream += b"MSG orders.a 7 %b %d\r\n%b\r\n" % (to, len(body), body)
        stream += b"HMSG orders.a 7  %b %d %d\r\n%b%b\r\n" % (to, len(head), len(head + body), head, body)
        expected += [(to, body, {}), (to, body, {"nats-msg-id": "a: b", "x": ""})]
    for step in (1, 7, 100, len(stream)):
        inbox, buffer, found = SubscriptionInbox(), bytearray(), []
        inbox.number = 7
        for at in range(0, len(stream), step):
            buffer += stream[at : at + step]
            inbox.take(buffer)
        found = asyncio.run(inbox.come(0))
        assert [(one.reply, one.body, one.headers) for one in found] == expected
        assert [one.place for one in found[::2]] == [(n, 1_700_000_000.5) for n in range(len(bodies))]
        assert not buffer


@pytest.mark.parametrize(
    "line",
    [
        b"PING",
        b"MSG a 8 r 0",
        b"MSG a 7 r -2",
        b"HMSG a 7 r 5 3",
        b"MSG a 7 r 99999999999999",
        b"MSG a x r 1",
    ],
)
def test_what_is_no_message_of_the_subscription_is_left_to_the_client(line: bytes) -> None:
    inbox, buffer = SubscriptionInbox(), bytearray(line + b"\r\n\r\n\r\n\r\n")
    inbox.number, before = 7, bytes(buffer)
    inbox.take(buffer)
    assert bytes(buffer) == before
