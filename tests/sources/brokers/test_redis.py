"""Records from a Redis stream: every entry once, also where it was read by a consumer that is gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.broker_servers import RedisServer
from tests.support.source_checks import (
    check_acknowledged_after_the_commit,
    check_invalid_settings,
    check_once_through_a_crash,
    check_open_fails,
    check_peek,
    check_poison,
    check_reconnect,
    check_silent_server,
    record,
    records,
    runner,
    stored,
)
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


def settings(server: RedisServer, stream: str, **more: Any) -> RedisSettings:
    return RedisSettings(url=f"127.0.0.1:{server.port}", stream=stream, **more)


def test_each_entry_is_stored_once_although_it_comes_again(server: RedisServer, store: Store) -> None:
    check_once_through_a_crash(store, settings(server, "crash"), lambda bodies: server.send("crash", bodies))


def test_an_entry_is_acknowledged_only_after_the_commit(
    server: RedisServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_acknowledged_after_the_commit(
        store, settings(server, "order"), lambda bodies: server.send("order", bodies), monkeypatch
    )


def test_an_entry_that_cannot_be_read_stops_none_of_the_others(server: RedisServer, store: Store) -> None:
    send = lambda bodies: server.send("poison", bodies)  # noqa: E731
    check_poison(store, settings(server, "poison"), send, "stream poison, entry")


def test_what_a_consumer_that_is_gone_has_read_is_claimed(server: RedisServer, store: Store) -> None:
    sent = server.send("gone", records(0, 5))
    with server.client as client:
        client.xgroup_create("gone", "watchkeeper", id="0")
        assert client.xreadgroup("watchkeeper", "another-machine", {"gone": ">"})
        client.xdel("gone", sent[2])
    reading = runner(store, settings(server, "gone", claim_after="1s"))
    reading.start()
    until(lambda: stored(store) == 4, "the entries that are still there are stored")
    reading.stop()
    with server.client as client:
        assert client.xpending("gone", "watchkeeper")["pending"] == 0


def test_the_server_goes_away_and_comes_back(tmp_path: Path, store: Store) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        name = f"Redis at redis://127.0.0.1:{server.port}"
        check_reconnect(
            store, settings(server, "away"), server, lambda bodies: server.send("away", bodies), name
        )
    finally:
        server.kill()


def test_lag_counts_what_was_not_read_or_not_acknowledged(server: RedisServer) -> None:
    sent = server.send("lag", records(0, 40))
    source = settings(server, "lag").make_source("orders")
    try:
        source.open(dict)
        assert source.lag().waiting == 40
        source.acknowledge(source.fetch(15, 1.0))
        fetched = source.fetch(8, 1.0)
        assert len(fetched.payloads) == 8  # the first fetch asked for one, since its size was not known
        lag = source.lag()
        assert lag.waiting == 39
        assert lag.oldest_seconds is not None
        assert 0 <= lag.oldest_seconds < 60
        source.acknowledge(fetched)
        assert source.lag().waiting == 31
        with server.client as client:
            client.xdel("lag", sent[30])
        unknown = source.lag()
        assert unknown.waiting is None
        assert unknown.oldest_seconds is not None
        while (rest := source.fetch(500, 0.1)).payloads:
            source.acknowledge(rest)
        after = source.lag()
    finally:
        source.close()
    assert (after.waiting, after.oldest_seconds) == (0, 0.0)


def test_ids_that_are_no_times_have_no_age(server: RedisServer) -> None:
    with server.client as client:
        client.xadd("numbered", {"data": record(0)}, id="1-1")
    source = settings(server, "numbered").make_source("orders")
    try:
        source.open(dict)
        lag = source.lag()
        assert (lag.waiting, lag.oldest_seconds) == (1, None)
        assert source.fetch(10, 1.0).payloads[0].sent_at is None
    finally:
        source.close()


def test_an_entry_without_the_field_is_read_by_its_fields(server: RedisServer, store: Store) -> None:
    with server.client as client:
        client.xadd("plain", {"client": "acme", "model": "fraud", "id": "p-1", "prediction": "ok"})
        client.xadd("plain", {"body": "x"})
    reading = runner(store, settings(server, "plain"))
    reading.start()
    until(lambda: reading.state().accepted == 1, "the record is stored")
    until(lambda: reading.state().rejected == 1, "the other entry is refused, not lost")
    reading.stop()


def test_peek_shows_the_last_entries_and_has_no_effect(server: RedisServer) -> None:
    sent = records(0, 7)
    server.send("peek", sent)
    check_peek(settings(server, "peek"), sent[2:])
    with server.client as client:
        assert client.xinfo_groups("peek") == []


def test_what_does_not_exist_is_said_in_words(server: RedisServer) -> None:
    with server.client as client:
        client.set("text", "x")
    for section, words in (
        (settings(server, "nothing"), "there is no stream nothing"),
        (settings(server, "text"), "text is not a stream, but a string"),
        (settings(server, "peek", password="wrong"), "Redis at redis://127"),
        (RedisSettings(url="127.0.0.1:9", stream="x"), r"Redis at redis://127\.0\.0\.1:9"),
    ):
        check_open_fails(section, words)


def test_a_server_that_does_not_answer_is_given_up() -> None:
    check_silent_server(lambda at: RedisSettings(url=at, stream="x"), lambda _: "no answer in time")


def test_a_group_that_is_destroyed_is_an_error(server: RedisServer) -> None:
    server.send("destroyed", records(0, 3))
    source = settings(server, "destroyed").make_source("orders")
    source.open(dict)
    with server.client as client:
        client.xgroup_destroy("destroyed", "watchkeeper")
    with pytest.raises(SourceError, match="no group watchkeeper"):
        source.lag()
    with pytest.raises(SourceError, match="NOGROUP"):
        source.fetch(10, 0.1)
    source.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "http://x"}, "not an address"),
        ({"url": "redis://:secret@x"}, "must not contain a user or a password"),
        ({"url": "redis://x?password=secret"}, "must not have options"),
        ({"url": "x", "certificates": "ca.pem"}, "needs an address with TLS"),
        ({"url": "x", "stream": ""}, "at least 1 character"),
    ],
)
def test_invalid_settings_are_rejected(values: dict[str, Any], words: str) -> None:
    check_invalid_settings(RedisSettings, {"stream": "s", **values}, words)
