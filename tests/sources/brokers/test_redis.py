"""Records from a Redis stream: every entry once, also where it was read by a consumer that is gone."""

import platform
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.sources.brokers.redis import RedisSettings, RedisStream, Removed, removed_of
from monitor.sources.source import SourceError
from monitor.store import quarantine
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
    until(lambda: reading.state().rejected, "and what is not is told")
    reading.stop()
    with store.read() as connection:
        (told,) = quarantine.latest(connection, None, 20)
    assert f"from entry {sent[2].decode()} on: 1 entry was removed" in told.rejected.error
    with server.client as client:
        assert client.xpending("gone", "watchkeeper")["pending"] == 0


def test_what_was_removed_after_this_consumer_read_it_is_told_once(server: RedisServer, store: Store) -> None:
    sent = server.send("since", records(0, 5))
    with server.client as client:
        client.xgroup_create("since", "watchkeeper", id="0")
        assert client.xreadgroup("watchkeeper", f"{platform.node()}-orders", {"since": ">"})
        client.xtrim("since", maxlen=2, approximate=False)
    reading = runner(store, settings(server, "since"))
    reading.start()
    until(lambda: stored(store) == 2, "what is there is stored")
    reading.stop()
    with store.read() as connection:
        told = [one.rejected.error for one in quarantine.latest(connection, None, 20)]
    assert (
        f"from entry {sent[0].decode()} on: 1 entry was removed" in told[-1]
    )  # the first fetch asks for one
    assert f"from entry {sent[1].decode()} on: 2 entries were removed" in told[0]
    assert len(told) == 2
    with server.client as client:
        assert client.xpending("since", "watchkeeper")["pending"] == 0


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


def test_entries_that_were_removed_before_they_were_read_are_told_once(
    server: RedisServer, store: Store
) -> None:
    server.send("trimmed", records(0, 20))
    section = settings(server, "trimmed", client="acme", model="fraud")
    with server.client as client:
        client.xgroup_create("trimmed", "watchkeeper", id="0", entries_read=0)
        answer = client.xreadgroup("watchkeeper", f"{platform.node()}-orders", {"trimmed": ">"}, count=5)
        read = answer[0][1][-1][0].decode()
        client.xack("trimmed", "watchkeeper", *(one for one, _ in answer[0][1]))
        client.xtrim("trimmed", maxlen=8, approximate=False)
    for more in (0, 1):
        server.send("trimmed", records(20, 20 + more))
        reading = runner(store, section)
        reading.start()
        until(lambda count=8 + more: stored(store) == count, "what is there is read")  # type: ignore[misc]
        reading.stop()
        with server.client as client:  # all that was read is gone, as with MINID: nothing is lost
            client.xtrim("trimmed", maxlen=0, approximate=False)
            assert client.xinfo_groups("trimmed")[0]["entries-read"] == 20 + more
    with store.read() as connection:
        (told,) = quarantine.latest(connection, None, 20)
    assert (told.rejected.client, told.rejected.model) == ("acme", "fraud")
    assert f"stream trimmed, after entry {read}: 7 entries were removed" in told.rejected.error


def test_a_user_that_may_not_move_the_group_reads_on(server: RedisServer, store: Store) -> None:
    server.send("limited", records(0, 9))
    with server.client as client:
        client.execute_command("ACL SETUSER limited on >password ~* &* +@all -xgroup|setid")
        client.xgroup_create("limited", "watchkeeper", id="0", entries_read=0)
        client.xtrim("limited", maxlen=4, approximate=False)
    reading = runner(store, settings(server, "limited", username="limited", password="password"))
    reading.start()
    until(lambda: stored(store) == 4, "what is there is read")
    reading.stop()
    assert (reading.state().rejected, reading.state().error) == (1, "")


def test_what_is_told_was_added_and_neither_read_nor_there(server: RedisServer) -> None:
    """Trimmed at random, with one entry read at a time."""
    chance = random.Random(7)
    source = settings(server, "law").make_source("orders")
    assert isinstance(source, RedisStream)
    read: set[bytes] = set()
    lost = 0
    with server.client as client:
        client.xadd("law", {"data": record(0)})
        source.open(dict)
        for number in range(1, 150):
            client.xadd("law", {"data": record(number)})
            if number > 3 and chance.random() < 0.2:
                client.xtrim("law", maxlen=chance.randrange(4), approximate=False)
            if chance.random() < 0.5:
                continue
            source._look_at = 0.0
            fetched = source.fetch(1, 0.01)
            if isinstance(fetched.receipt, Removed):
                lost += fetched.receipt.count or 0
                there = {one for one, _ in client.xrange("law")}
                assert lost == number + 1 - len(read) - len(there - read)
            else:
                read.update(fetched.receipt)
            if fetched.payloads:
                source.acknowledge(fetched)
    source.close()
    assert lost > 20


@pytest.mark.parametrize(
    ("stream", "group", "count"),
    [
        ({"entries-added": 9, "length": 2}, {"entries-read": 3}, 4),
        ({"entries-added": 9, "length": 2}, {"entries-read": 7}, None),
        ({"entries-added": 9, "length": 2}, {"entries-read": None}, None),
        ({"entries-added": 9, "length": 2}, {"entries-read": 3, "last-delivered-id": b"6-0"}, None),
        ({"entries-added": 9, "length": 2}, {"entries-read": 3, "name": b"another"}, None),
        ({"length": 2}, {}, None),
        ({"length": 0, "entries": {}}, {"last-delivered-id": b"9-0"}, None),
        ({"length": 0, "entries": {}}, {"last-delivered-id": b"0-0"}, None),
    ],
)
def test_only_what_is_sure_is_told(stream: dict[str, Any], group: dict[str, Any], count: int | None) -> None:
    own = {"name": b"watchkeeper", "last-delivered-id": b"5-9", **group}
    answer = {"last-generated-id": b"9-0", "entries": {b"6-0": {}}, **stream, "groups": [own]}
    removed = removed_of(answer, "watchkeeper")
    assert (removed and removed.count) == count


def test_a_server_that_does_not_count_tells_that_all_were_removed() -> None:
    own = {"name": b"watchkeeper", "last-delivered-id": b"5-0"}
    answer = {"last-generated-id": b"10-0", "length": 0, "entries": {}, "groups": [own]}
    removed = removed_of(answer, "watchkeeper")
    assert removed == Removed(None, "5-0", "10-0", None)
    assert removed.payload("s").error.startswith("all entries that came after it were removed")


def test_a_group_that_is_destroyed_is_an_error(server: RedisServer) -> None:
    server.send("destroyed", records(0, 3))
    source = settings(server, "destroyed").make_source("orders")
    source.open(dict)
    with server.client as client:
        client.xgroup_destroy("destroyed", "watchkeeper")
    with pytest.raises(SourceError, match="the group watchkeeper no longer exists"):
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
