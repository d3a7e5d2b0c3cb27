"""Rows whose time lies ahead: they wait, and hide no other."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.sources.sql import database
from monitor.sources.sql.database import SqlSettings, SqlTable
from monitor.sources.sql.read_only import ReadOnlyDatabase

NOW = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)


def table(folder: Path) -> SqlTable:
    values = {"table": "truths", "position": "loaded_at", "key": ["uid"], "every": "1s", "overlap": "10m"}
    values |= {"client": "acme", "model": "fraud", "url": f"sqlite:///{folder}/warehouse.db"}
    return SqlTable(SqlSettings.model_validate(values))


def set_clock(source: SqlTable, now: datetime, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(database, "time", now.timestamp)
    source._ask_at = 0.0


def read(source: SqlTable) -> tuple[list[str], str]:
    """The ids of the rows that are read, and what waits."""
    fetched = source.fetch(500, 0.0)
    source.acknowledge(fetched)
    return [json.loads(one.body)["id"] for one in fetched.payloads], str(fetched.problem or "")


def insert(folder: Path, *rows: tuple[object, int, str]) -> None:
    with closing(sqlite3.connect(folder / "warehouse.db")) as connection:
        connection.execute("create table if not exists truths (loaded_at text, uid integer, id text)")
        connection.executemany("insert into truths values (?, ?, ?)", rows)
        connection.commit()


def text(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), timedelta(days=1), timedelta(days=3)])
def test_a_row_from_the_future_waits_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """Had it been read, the rows that appear until then would lie below the last position."""
    insert(tmp_path, (text(NOW - timedelta(days=1)), 1, "p-1"), (text(NOW + ahead), 2, "p-2"))
    with closing(table(tmp_path)) as source:
        source.open(dict)
        set_clock(source, NOW, monkeypatch)
        found, waits = read(source)
        assert found == ["p-1"]
        assert waits.startswith(
            f"truths: 1 row with a loaded_at ahead of now, the first at {text(NOW + ahead)} ("
        )
        assert "they are read when that time has come" in waits
        insert(tmp_path, (text(NOW), 3, "p-3"))
        set_clock(source, NOW + timedelta(seconds=30), monkeypatch)
        assert read(source)[0] == ["p-3"]
        set_clock(source, NOW + ahead, monkeypatch)
        assert read(source) == (["p-2"], "")


@pytest.mark.parametrize(
    ("cell", "is_read"),
    [
        (lambda hours: (NOW + timedelta(hours=hours)).replace(tzinfo=None), (0.0, 0.08)),
        (lambda hours: NOW + timedelta(hours=hours), (0.0, 0.08)),
        (lambda hours: (NOW + timedelta(hours=hours)).date(), (0.0, 24.0)),
        (lambda hours: 1_800_000_000 + int(hours), (0.0, 24.0, 999.0)),
    ],
    ids=["time", "time with a zone", "date", "number"],
)
def test_what_lies_ahead_is_said_by_the_type_of_the_column(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cell: Callable[[float], date | int],
    is_read: tuple[float, ...],
) -> None:
    """A clock may be five minutes ahead, and a day begins earlier elsewhere. Numbers have no time."""

    class Rows(ReadOnlyDatabase):
        def rows(self, _statement: Any) -> list[Mapping[str, Any]]:
            hours = (0.0, 0.08, 0.1, 24.0, 49.0, 999.0)
            return [{"loaded_at": cell(one), "uid": one, "id": str(one)} for one in hours]

    with closing(table(tmp_path)) as source:
        source._database = Rows(source._settings.address, 1.0)
        source.open(dict)
        set_clock(source, NOW, monkeypatch)
        found, waits = read(source)
        assert {str(one) for one in is_read} <= set(found)
        assert bool(waits) == ("999.0" not in found)


def test_a_stored_position_from_the_future_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this machine was a day ahead when it read the last row."""
    times = {1: NOW - timedelta(hours=2), 2: NOW - timedelta(minutes=30), 3: NOW + timedelta(days=1)}
    insert(tmp_path, *((text(when), number, f"p-{number}") for number, when in times.items()))
    places = {
        shard: json.dumps([["value", text(times[number])], ["value", number]])
        for shard, number in (("rows", 3), ("overlap", 1))
    }
    with closing(table(tmp_path)) as source:
        set_clock(source, NOW, monkeypatch)
        source.open(lambda: places)
        found, waits = read(source)
    assert found == ["p-2"]
    assert "1 row" in waits
