"""Records from RabbitMQ: every message once, also where it is delivered again."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.sources.brokers.rabbitmq import RabbitSettings
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.broker_servers import RabbitServer
from tests.support.source_checks import (
    check_acknowledged_after_the_commit,
    check_invalid_settings,
    check_once_through_a_crash,
    check_open_fails,
    check_poison,
    check_reconnect,
    check_silent_server,
    has_no_more,
    record,
    records,
    runner,
    stored,
)
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    server.stranger = "stranger"
    try:
        server.start()
        yield server
    finally:
        server.end()


def settings(server: RabbitServer, queue: str, **more: Any) -> RabbitSettings:
    return RabbitSettings(servers=(f"127.0.0.1:{server.port}",), queue=queue, **more)


def test_what_the_server_refuses_is_named(server: RabbitServer) -> None:
    server.declare("refused")
    check_open_fails(
        settings(server, "refused", password="wrong"), "the login was refused: correct `username`"
    )
    stranger = {"username": "stranger", "password": "stranger"}
    check_open_fails(settings(server, "refused", **stranger), "the user may not do this: grant the user the")
    check_open_fails(settings(server, "refused", virtual_host="other"), "correct `virtual_host`")


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_each_message_is_stored_once_although_it_comes_again(
    server: RabbitServer, store: Store, kind: str
) -> None:
    queue = f"crash-{kind}"
    server.declare(queue, **{"x-queue-type": kind})
    check_once_through_a_crash(store, settings(server, queue), lambda bodies: server.send(queue, bodies))


def test_a_message_is_acknowledged_only_after_the_commit(
    server: RabbitServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.declare("order")
    check_acknowledged_after_the_commit(
        store, settings(server, "order"), lambda bodies: server.send("order", bodies), monkeypatch
    )


def test_a_message_that_cannot_be_read_stops_none_of_the_others(server: RabbitServer, store: Store) -> None:
    server.declare("poison")
    send = lambda bodies: server.send("poison", bodies)  # noqa: E731
    check_poison(store, settings(server, "poison"), send, "queue poison, delivery")


def test_equal_messages_are_one_by_their_id_and_two_without_anything_that_tells_them_apart(
    server: RabbitServer, store: Store
) -> None:
    server.declare("equal")
    body = b'{"client": "acme", "model": "fraud", "prediction": "ok"}'
    server.send("equal", [body, body], message_id="m-1")
    server.send("equal", [body, body], timestamp=int(time.time()))
    server.send("equal", [body, body])
    reading = runner(store, settings(server, "equal"))
    reading.start()
    until(lambda: stored(store) == 5, "one of the first two, and the others")
    until(lambda: has_no_more(settings(server, "equal")), "all are acknowledged")
    reading.stop()
    assert stored(store) == 5


def test_lines_that_cannot_be_read_are_not_lost_beside_those_that_can(
    server: RabbitServer, store: Store
) -> None:
    server.declare("lines")
    server.send("lines", [record(0) + b"\n{broken\n" + record(1)], content_type="application/x-ndjson")
    reading = runner(store, settings(server, "lines"))
    reading.start()
    until(lambda: reading.state().accepted == 2, "two are stored")
    until(lambda: reading.state().rejected == 1, "one is refused")
    reading.stop()


def test_lag_counts_what_is_ready_and_what_was_sent_here(server: RabbitServer) -> None:
    server.declare("lag")
    server.send("lag", records(0, 40), timestamp=int(time.time()) - 5)
    source = settings(server, "lag", prefetch=15).make_source("orders")
    try:
        source.open(dict)
        until(lambda: (source.lag().oldest_seconds or 0) >= 5, "the first ones were sent here")
        assert source.lag().waiting == 40
        fetched = source.fetch(10, 5.0)
        assert source.lag().waiting == 40
        source.acknowledge(fetched)
        until(lambda: source.lag().waiting == 40 - len(fetched.payloads), "the acknowledged ones are gone")
        while (rest := source.fetch(500, 1.0)).payloads:
            source.acknowledge(rest)
        until(lambda: source.lag().waiting == 0, "none waits")
        assert source.lag().oldest_seconds == 0.0
    finally:
        source.close()


def test_peek_shows_the_first_messages_and_gives_them_back(server: RabbitServer, store: Store) -> None:
    server.declare("peek")
    sent = records(0, 7)
    server.send("peek", sent)
    for _ in range(2):
        source = settings(server, "peek").make_source("orders")
        try:
            seen = source.peek(5, 10.0)
        finally:
            source.close()
        assert [payload.body for payload in seen] == sent[:5]
    reading = runner(store, settings(server, "peek"))
    reading.start()
    until(lambda: stored(store) == 7, "all messages are still there")
    reading.stop()


def test_heartbeats_are_answered_while_the_source_stores(server: RabbitServer) -> None:
    server.declare("slow")
    server.send("slow", records(0, 3))
    source = settings(server, "slow").model_copy(update={"heartbeat": 1.0}).make_source("orders")
    try:
        source.open(dict)
        fetched = source.fetch(10, 5.0)
        time.sleep(4)  # the server gives up after two seconds
        source.acknowledge(fetched)
        assert source.lag().waiting == 3 - len(fetched.payloads)
    finally:
        source.close()


def test_what_does_not_exist_is_said_in_words(server: RabbitServer) -> None:
    server.declare("deleted")
    for section, words in (
        (settings(server, "nothing"), "no queue 'nothing'"),
        (settings(server, "deleted", password="wrong"), "ACCESS_REFUSED"),
        (settings(server, "deleted", virtual_host="elsewhere"), "elsewhere"),
        (
            RabbitSettings(servers=("127.0.0.1:9",), queue="x"),
            r"RabbitMQ at amqp://127\.0\.0\.1:9: .*refused",
        ),
    ):
        check_open_fails(section, words)
    source = settings(server, "deleted").make_source("orders")
    source.open(dict)
    server.delete("deleted")
    with pytest.raises(SourceError, match="the queue was deleted"):
        source.fetch(10, 5.0)
    source.close()


def test_the_server_goes_away_and_comes_back(server: RabbitServer, store: Store) -> None:
    server.declare("away")
    name = f"RabbitMQ at amqp://127.0.0.1:{server.port}"
    check_reconnect(store, settings(server, "away"), server, lambda bodies: server.send("away", bodies), name)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"servers": ["http://x"]}, "not an address"),
        ({"servers": ["amqp://user:secret@x"]}, "must not contain a user or a password"),
        ({"servers": []}, "at least one server"),
        ({"servers": ["x"], "queue": ""}, "at least 1 character"),
        ({"servers": ["x"], "prefetch": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_rejected(values: dict[str, Any], words: str) -> None:
    check_invalid_settings(RabbitSettings, {"queue": "q", **values}, words)


def test_a_server_that_does_not_answer_is_given_up() -> None:
    check_silent_server(
        lambda at: RabbitSettings(servers=(at,), queue="x"), lambda at: f"RabbitMQ at amqp://{at}"
    )
