"""A table of a real MariaDB: each row once, its types, its deadline, and nothing written. In thorough runs only."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from monitor.sources.source import SourceError
from monitor.sources.sql import database
from monitor.sources.sql.database import SqlSettings
from monitor.sources.sql.read_only import ReadOnlyDatabase
from monitor.store.db import Store
from tests.support import mariadb
from tests.support.source_checks import runner, stored
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(
    bool(mariadb.missing()) or not THOROUGH, reason=mariadb.missing() or "in thorough runs"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with mariadb.mariadb() as found:
        yield found


def run(port: int, *statements: str) -> None:
    with closing(mariadb.connected(port)) as connection:
        connection.select_db("warehouse")
        for statement in statements:
            connection.cursor().execute(statement)


def section(port: int, **more: Any) -> SqlSettings:
    values = {"table": "truths", "position": "loaded_at", "key": ["uid"], "every": "1s", "overlap": "0s"}
    values |= {"client": "acme", "model": "fraud", "url": f"mysql://root@127.0.0.1:{port}/warehouse"}
    return SqlSettings.model_validate(values | more)


def test_rows_are_read_as_they_come_and_after_a_restart_each_once(
    port: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_AT_ONCE", 7)
    run(
        port,
        "create or replace table truths (loaded_at timestamp(6) not null, uid int, id text, prediction text)",
    )

    def add(first: int, last: int) -> None:
        values = ", ".join(
            f"(now(6) - interval 2 hour, {n}, 'p-{n}\\u202e', 'ok')" for n in range(first, last)
        )
        run(port, f"insert into truths values {values}")

    add(0, 20)
    for count, more in ((20, (20, 30)), (30, (30, 35))):
        source = runner(store, section(port))
        source.start()
        try:
            until(lambda expected=count: stored(store) == expected, "the rows are stored")
            add(*more)
            until(lambda expected=more[1]: stored(store) == expected, "the next ones too")
            assert source.state().error == ""
        finally:
            source.stop()


def test_types_become_what_json_has_and_times_are_utc(port: int) -> None:
    run(
        port,
        "create or replace table truths (loaded_at timestamp(6), uid bigint unsigned, amount decimal(20,4), "
        "flag boolean, doc json, raw blob, day date, span time, bits bit(8), word varchar(20) character set utf8mb4)",
        "set time_zone = '+00:00'",
        """insert into truths values (from_unixtime(1795420800.25), 18446744073709551615, 12.5, true, '{"a": [1]}',
           x'00ff', '2026-11-23', '10:11:12', b'101', '\U0001f600')""",
    )
    source = section(port).make_source("truths")
    source.open(dict)
    [payload] = source.fetch(10, 0).payloads
    features = (
        json.loads(payload.body)["features"] if b"features" in payload.body else json.loads(payload.body)
    )
    source.close()
    assert features["amount"] == pytest.approx(12.5)
    assert features["word"] == "\U0001f600"
    assert "2026-11-23" in str(features["day"])
    assert payload.sent_at == pytest.approx(1795420800.25)


def test_a_statement_has_a_deadline_of_the_server(port: int) -> None:
    run(
        port,
        "create or replace table truths (loaded_at timestamp(6), uid int)",
        "insert into truths values (now(6), 1)",
        "create or replace view slow as select loaded_at, uid + sleep(20) as uid from truths",
    )
    source = section(port, table="slow", statement_timeout="1s").make_source("slow")
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"max_statement_time|interrupted|timed out"):
        source.open(dict)
    assert time.monotonic() - began < 15
    source.close()


def test_nothing_can_be_written(port: int) -> None:
    from sqlalchemy import text

    run(port, "create or replace table truths (loaded_at timestamp(6), uid int)")
    settings = section(port)
    reader = ReadOnlyDatabase(settings.address, 5.0)
    with pytest.raises(SourceError, match="READ ONLY"):
        reader.rows(text("insert into truths values (now(), 1)"))  # type: ignore[arg-type]
    reader.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table": "nothing"}, "nothing"),
        ({"key": ['no`such"column']}, "no`such"),
        ({"username": "nobody", "password": "wrong"}, "Access denied"),
    ],
)
def test_what_does_not_exist_is_named(port: int, changes: dict[str, Any], words: str) -> None:
    run(port, "create or replace table truths (loaded_at timestamp(6), uid int)")
    source = section(port, **changes).make_source("truths")
    with pytest.raises(SourceError, match=words):
        source.open(dict)
    source.close()
