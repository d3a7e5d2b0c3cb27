"""Tables and views of a real PostgreSQL and of SQLite: each row once, late ones too, and what cannot be read."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from monitor.clock import SystemClock
from monitor.config.root import load
from monitor.errors import ConfigError
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.reading import ParsedPayloads, PayloadReader
from monitor.sources.source import SourceError
from monitor.sources.sql import database
from monitor.sources.sql.database import SqlSettings
from monitor.sources.sql.read_only import ReadOnlyDatabase
from monitor.store import outcomes, quarantine
from monitor.store.db import Store
from tests.support import postgresql
from tests.support.source_checks import check_invalid_settings, runner, stored
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with postgresql.postgresql() as found:
        yield found


class Database:
    """A database of somebody else."""

    def __init__(self, url: str, connect: Any) -> None:
        self.url, self._connect = url, connect

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with closing(self._connect()) as connection:
            for statement in statements:
                connection.execute(statement)
                connection.commit()


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse(request: Any, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        path = tmp_path / "warehouse.db"
        found = Database(f"sqlite:///{path}", lambda: sqlite3.connect(path))
    else:
        found = of_server(request.getfixturevalue("server"))
    found.run(
        "create table truths (loaded_at timestamp not null, uid integer, id text, truth text, prediction text)"
    )
    return found


def of_server(server: postgresql.Server) -> Database:
    """An empty database of PostgreSQL."""
    url = server.url.replace("+psycopg", "")
    found = Database(url, lambda: psycopg.connect(url))
    found.run("drop schema public cascade", "create schema public")
    return found


def section(url: str, **more: Any) -> SqlSettings:
    values = {"table": "truths", "position": "loaded_at", "key": ["uid"], "every": "1s", "overlap": "0s"}
    values |= {"client": "acme", "model": "fraud", "url": url}
    return SqlSettings.model_validate(values | more)


def at(minute: int) -> str:
    """A time of today, a while ago."""
    return datetime.fromtimestamp(time.time() // 3600 * 3600 - 7200 + 60 * minute, UTC).strftime(
        "%Y-%m-%d %H:%M:%S"
    )


def prediction(number: int, minute: int = 0) -> str:
    return (
        "insert into truths (loaded_at, uid, id, prediction) "
        f"values ('{at(minute)}', {number}, 'p-{number}', 'ok')"
    )


@contextmanager
def running(store: Store, of: SqlSettings) -> Iterator[Any]:
    source = runner(store, of)
    source.start()
    try:
        yield source
    finally:
        source.stop()


def test_rows_are_read_as_they_come_and_after_a_restart_each_once(
    warehouse: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_AT_ONCE", 7)
    warehouse.run(*(prediction(number) for number in range(20)))  # all at one position
    with running(store, section(warehouse.url)):
        until(lambda: stored(store) == 20, "the first rows are stored")
        warehouse.run(*(prediction(number, 1) for number in range(20, 30)))
        until(lambda: stored(store) == 30, "the next ones too")
    warehouse.run(prediction(30, 1))
    with running(store, section(warehouse.url)) as source:
        until(lambda: stored(store) == 31, "what came meanwhile is stored")
        until(lambda: source.state().accepted, "and counted")
        assert source.state().accepted == 1
    assert stored(store) == 31


def test_a_row_that_appears_below_the_last_one_is_read_later_and_the_others_not_twice(
    warehouse: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = section(warehouse.url, overlap="10m")
    log = PredictionLog(store, PredictionSettings(), SystemClock())
    warehouse.run(prediction(1, 5))
    source = of.make_source("orders")
    reader = PayloadReader(
        "orders", of.make_format(), log, of.defaults, of.client, is_ordered=source.is_ordered
    )

    def read() -> list[str]:
        fetched = source.fetch(500, 0.0)
        requests = ParsedPayloads.joined(map(reader.read, fetched.payloads)).requests
        log.store_delivery(requests, lambda _connection: None)
        source.acknowledge(fetched)
        return [json.loads(payload.body)["id"] for payload in fetched.payloads]

    with closing(source):
        source.open(dict)
        assert [read(), read()] == [["p-1"], []]
        warehouse.run(prediction(2, 3))  # committed after a row with a higher position was read
        for minutes, found in ((2, []), (11, ["p-2", "p-1"]), (13, []), (30, []), (60, [])):
            later = time.monotonic() + 60 * minutes
            monkeypatch.setattr(database, "monotonic", lambda later=later: later)
            assert read() == found, minutes
    assert stored(store) == 2


def test_a_nightly_table_of_truths_becomes_outcomes(warehouse: Database, store: Store) -> None:
    warehouse.run(
        f"insert into truths (loaded_at, uid, id, truth) values ('{at(0)}', 1, 'p-1', 'fraud')",
        f"insert into truths (loaded_at, uid, id, truth) values ('{at(0)}', 2, 'p-2', null)",
        f"insert into truths (loaded_at, uid, id, truth) values ('{at(0)}', 3, 'p-3', 'ok')",
    )
    with running(store, section(warehouse.url)) as source:
        until(lambda: source.state().accepted == 2, "the truths are stored")
        until(lambda: source.state().rejected == 1, "the truth that is not known yet is told")
        warehouse.run(f"update truths set truth = 'ok', loaded_at = '{at(1)}' where uid = 2")
        until(lambda: source.state().accepted == 3, "it is read when it is known")
    with store.read() as connection:
        rows = connection.execute(outcomes.OUTCOMES.select()).all()
        kept = quarantine.latest(connection)
    assert sum(row.rows for row in rows) == 3
    assert kept[0].rejected.error.startswith("source orders, loaded_at ")
    assert "uid 2: truth is not known yet (null), and there is no prediction" in kept[0].rejected.error


def test_hostile_names_of_tables_and_columns_are_quoted(warehouse: Database, store: Store) -> None:
    warehouse.run(
        'create table "we""ird; drop table truths" ("lo aded" integer, "sel""ect" text, id text, prediction text)',
        """insert into "we""ird; drop table truths" values (1, 'a', 'p-1', 'ok')""",
    )
    of = section(warehouse.url, table='we"ird; drop table truths', position="lo aded", key=['sel"ect'])
    source = of.make_source("orders")
    with closing(source):
        (payload,) = source.peek(5, 1.0)
    assert json.loads(payload.body) == {"id": "p-1", "prediction": "ok"}
    warehouse.run(prediction(1))  # the table is still there


def test_types_become_what_json_has(server: postgresql.Server) -> None:
    found = of_server(server)
    found.run(
        "create table truths (loaded_at timestamptz, uid numeric(20), id uuid, prediction boolean, "
        "timestamp timestamp, amount numeric(10, 2), missing text, born date, details jsonb, tags integer[], "
        '"segments.region" text, wait interval, raw bytea, huge numeric, "features.x" real)',
        "insert into truths values ('2026-11-23 09:00+01', 12345678901234567890, "
        "'00000000-0000-0000-0000-000000000007', true, '2026-11-23 08:00', 12.50, null, '2000-01-31', "
        """'{"age": 7, "name": {"first": "Ü"}}', '{1,2}', 'eu', '90 seconds', '\\x00ff', 'NaN', 0.5)""",
    )
    source = section(found.url).make_source("orders")
    with closing(source):
        (payload,) = source.peek(5, 1.0)
    assert payload.sent_at == 1_795_420_800.0
    assert json.loads(payload.position) == [
        ["time", payload_time(payload)],
        ["decimal", "12345678901234567890"],
    ]
    features = json.loads(payload.body)["features"]
    assert features.pop("huge") != features.get("huge")  # NaN
    assert json.loads(payload.body) | {"features": features} == {
        "id": "00000000-0000-0000-0000-000000000007",
        "prediction": True,
        "timestamp": "2026-11-23T08:00:00",
        "features": {
            "amount": 12.5,
            "born": "2000-01-31",
            "details": {"age": 7, "name": {"first": "Ü"}},
            "tags": [1, 2],
            "wait": 90.0,
            "raw": "AP8=",
            "x": 0.5,
        },
        "segments": {"region": "eu"},
    }


def payload_time(payload: Any) -> str:
    """The time in a position, in the zone of the connection."""
    text = json.loads(payload.position)[0][1]
    assert datetime.fromisoformat(text) == datetime(2026, 11, 23, 8, tzinfo=UTC)
    return text


def test_a_row_that_the_driver_cannot_read_stops_only_itself(server: postgresql.Server, store: Store) -> None:
    found = of_server(server)
    found.run(
        "create table truths (loaded_at integer, uid integer, id text, prediction text, seen timestamp)",
        "insert into truths values (1, 1, 'p-1', 'ok', now()), (3, 3, 'p-3', 'ok', null)",
        "insert into truths values (2, 2, 'p-2', 'ok', 'infinity')",
    )
    with running(store, section(found.url)) as source:
        until(lambda: stored(store) == 2, "the others are stored")
        until(lambda: source.state().rejected == 1, "it is refused")
        assert source.state().error == ""
    with store.read() as connection:
        (kept,) = quarantine.latest(connection)
    assert "loaded_at 2, uid 2" in kept.rejected.error


def test_text_that_is_no_unicode_stops_nothing(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "warehouse.db"
    found = Database(f"sqlite:///{path}", lambda: sqlite3.connect(path))
    found.run(
        "create table truths (loaded_at integer, uid integer, id text, prediction text)",
        "insert into truths values (1, 1, 'p-1', cast(x'ff61' as text)), (2, 2, 'p-2', 'ok')",
    )
    with running(store, section(found.url)):
        until(lambda: stored(store) == 2, "both are stored")


ENDLESS = {
    "sqlite": "create view slow as with recursive n(loaded_at) as "
    "(select 1 union all select loaded_at + 1 from n) select loaded_at, 1 as uid from n where loaded_at < 0",
    "postgresql": "create view slow as select 1 as loaded_at, 1 as uid from pg_sleep(60)",
}


def test_a_statement_has_a_deadline(warehouse: Database) -> None:
    warehouse.run(ENDLESS[warehouse.url.partition(":")[0]])
    source = section(warehouse.url, table="slow", statement_timeout="1s").make_source("orders")
    began = time.monotonic()
    with closing(source), pytest.raises(SourceError, match=r"timeout|interrupted"):
        source.open(dict)
    assert time.monotonic() - began < 50


def test_nothing_is_written(server: postgresql.Server, tmp_path: Path) -> None:
    found = of_server(server)
    found.run(
        "create table seen (n integer)",
        "create function look() returns integer language sql as 'insert into seen values (1) returning 1'",
        "create view writing as select look() as loaded_at, 1 as uid",
    )
    source = section(found.url, table="writing").make_source("orders")
    with closing(source), pytest.raises(SourceError, match="read-only transaction"):
        source.open(dict)
    absent = tmp_path / "absent.db"
    source = section(f"sqlite:///{absent}").make_source("orders")
    with closing(source), pytest.raises(SourceError, match="unable to open"):
        source.open(dict)
    assert not absent.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table": "nowhere"}, "nowhere"),
        ({"position": "when"}, "when"),
        ({"key": ["nobody"]}, "nobody"),
    ],
)
def test_what_does_not_exist_is_named(warehouse: Database, changes: dict[str, Any], words: str) -> None:
    if warehouse.url.startswith("sqlite") and "table" not in changes:
        pytest.skip("SQLite takes an unknown name in double quotes for a text")
    source = section(warehouse.url, **changes).make_source("orders")
    with closing(source), pytest.raises(SourceError, match=words):
        source.open(dict)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "postgresql://u:secret@db/x"}, "must not contain the password"),
        ({"url": "no address"}, "is not an address"),
        ({"key": ["uid", "loaded_at"]}, "must not contain the column of `position`"),
        ({"key": []}, "at least 1 item"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, Any], words: str) -> None:
    values = {"url": "sqlite:////x.db", "table": "t", "position": "loaded_at", "key": ["uid"]}
    check_invalid_settings(SqlSettings, values | changes, words)


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(SourceError, match="oracle"):
        section("oracle://db/x").make_source("orders")


def test_what_waits_is_unknown_until_all_is_read(warehouse: Database) -> None:
    warehouse.run(prediction(1), prediction(2, 60))
    source = section(warehouse.url).make_source("orders")
    with closing(source):
        source.open(dict)
        source.acknowledge(source.fetch(1, 0.0))
        assert source.lag().waiting is None
        assert 3000 < source.lag().oldest_seconds < 12_000
        source.acknowledge(source.fetch(500, 0.0))
        source.fetch(500, 0.0)
        assert (source.lag().waiting, source.lag().oldest_seconds) == (0, 0.0)


def test_a_mapping_reads_columns_of_any_name(warehouse: Database, store: Store) -> None:
    warehouse.run(f"insert into truths (loaded_at, uid, truth) values ('{at(0)}', 7, 'fraud')")
    of = section(
        warehouse.url, format="mapped", fields={"id": "$.uid", "truth": "$.truth", "timestamp": "$.loaded_at"}
    )
    with running(store, of) as source:
        until(lambda: source.state().accepted == 1, "the truth is stored")
        assert source.state().rejected == 0


def test_an_overlap_must_end_before_rows_are_forgotten(tmp_path: Path) -> None:
    text = "sources: {truths: {kind: sql, url: 'sqlite:////x.db', table: t, position: a, key: [b], overlap: 13h}}"
    (tmp_path / "watchkeeper.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"sources.truths.overlap: must be at most half"):
        load(tmp_path / "watchkeeper.yaml")


def test_a_row_that_the_database_returns_for_ever_is_read_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    settings = SqlSettings(
        url=url, table="t", position="at", key=["id"], every=60.0, client="acme", model="m"
    )
    source, asked = database.SqlTable(settings), []

    class Rounding(ReadOnlyDatabase):
        """Compares with less precision than it returns."""

        def rows(self, statement: Any) -> list[Mapping[str, Any]]:
            asked.append(statement)
            return [{"at": "2026-11-29 10:00:00.003", "id": "a", "truth": "ok"}]

    source._database = Rounding(settings.address, 1.0)
    source.open(dict)
    fetched = source.fetch(10, 0.0)
    assert [one.position for one in fetched.payloads] == [
        '[["value","2026-11-29 10:00:00.003"],["value","a"]]'
    ]
    source.acknowledge(fetched)
    before = len(asked)
    assert not source.fetch(10, 0.0).payloads
    assert not source.fetch(10, 0.0).payloads
    assert len(asked) == before + 1
    source.close()


def test_a_row_that_cannot_be_a_position_stops_none_of_the_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("create table t (at text, id text, truth text)")
        rows = [
            ("2026-11-29 10:00:01", "a"),
            ("2026-11-29 10:00:02", "x" * 5000),
            ("2026-11-29 10:00:03", "b"),
        ]
        connection.executemany("insert into t values (?, ?, 'ok')", rows)
        connection.commit()
    settings = SqlSettings(url=url, table="t", position="at", key=["id"], every=1.0, client="acme", model="m")
    source = database.SqlTable(settings)
    source.open(dict)
    fetched = source.fetch(10, 0.0)
    assert [bool(one.error) for one in fetched.payloads] == [False, True, False]
    assert "more than 1,024" in fetched.payloads[1].error
    assert len(fetched.payloads[1].name) < 200
    source.acknowledge(fetched)
    assert not source.fetch(10, 0.0).payloads
    source.close()
