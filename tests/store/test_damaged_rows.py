"""No row, however damaged, stops more than itself.

In a store that an earlier daemon left behind (models, open alerts, pages that wait, a silence, drift), one row of each
table is damaged in one column. Then the daemon works on: it judges, does its jobs, delivers, and shows its pages. A
model that has nothing to do with these rows fails meanwhile, and somebody is paged for it.

Each case damages every table at once, each time another column in another way. With `WATCHKEEPER_EACH=1` in the
environment they are taken one by one.
"""

import lzma
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from litestar.testing import TestClient
from sqlalchemy import Column, Float, Integer, LargeBinary, Table

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.store import api_keys
from monitor.store.tables import metadata
from tests.store.test_upgrade import FOUND, LEFT
from tests.support.log import send
from tests.support.make_store import RULES

CONFIG = """\
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
predictions: {{base_window: 1h}}
drift: {{false_alarms: 1 per 30 days}}
rules: {{files: ["{folder}/mine.yaml"]}}
clients:
  acme: {{models: {{fraud: {{title: Fraud}}, churn: {{title: Churn}}}}}}
  globex: {{models: {{price: {{title: Price}}}}}}
  initech: {{models: {{score: {{title: Score}}}}}}
notify: {{file: {{path: "{folder}/told"}}, console: false}}
"""
DAMAGES: dict[str, Any] = {
    "garbage": "\x01garbage\x00\ud7ff",
    "nothing": "",
    "null": None,
    "huge text": "x" * 70_000,
    "wrong JSON": '{"a": [1, {}]}',
    "half": lambda value: value[: len(value) // 2] if isinstance(value, bytes | str) else "1/2",
    "bytes": b"\xff\xfe\x00\x80" * 9,
    "infinite": float("inf"),
    "negative": -1,
    "far ahead": 4.0e18,
    "far back": -4.0e18,
    "long ago": -1e10,
    "a large number": 2**62,
}
ALIKE = ("alembic_version", "faults")
"""What only says which version the store is of, and what is written anew every few seconds."""


class Damage(NamedTuple):
    """What is done to one value."""

    table: Table
    column: Column[Any]
    how: str

    def __str__(self) -> str:
        return f"{self.table.name}.{self.column.name}: {self.how}"


TABLES = [table for table in metadata.sorted_tables if table.name not in ALIKE]
OF_TABLE = {
    table: [Damage(table, column, how) for column, how in product(table.columns, sorted(DAMAGES))]
    for table in TABLES
}
EACH = [damage for damages in OF_TABLE.values() for damage in damages]


def together(number: int, most: int) -> list[Damage]:
    """For each table one damage, another one for each of `most` cases."""
    chosen = []
    for own in OF_TABLE.values():
        chosen.append(own[(number * max(len(own) // most, 1) + number // 7) % len(own)])
    return chosen


CASES = (
    [[one] for one in EACH]
    if os.environ.get("WATCHKEEPER_EACH")
    else [together(n, 30) for n in range(0, 30, 4)]
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, brought up to date, with at least one row in each table."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "watchkeeper.db").write_bytes(lzma.decompress(FOUND[-1].read_bytes()))
    app = started(folder)
    app.tick()
    app.log.stop()
    app.store.close()
    with closing(sqlite3.connect(folder / "watchkeeper.db")) as connection:
        for table in TABLES:
            if not connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]:
                values = [plausible(column) for column in table.columns]
                marks = ",".join("?" * len(values))
                connection.execute(f'INSERT INTO "{table.name}" VALUES ({marks})', values)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def plausible(column: Column[Any]) -> Any:
    """A value that such a column may have."""
    if isinstance(column.type, LargeBinary):
        return b"x"
    if isinstance(column.type, Float):
        return LEFT - 60
    return 1 if isinstance(column.type, Integer) or "INT" in str(column.type) else "acme"


def started(folder: Path) -> App:
    (folder / "mine.yaml").write_text(RULES, encoding="utf-8")
    (folder / "watchkeeper.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    app = App(load(folder / "watchkeeper.yaml"), ManualClock(LEFT))
    app.log.start()
    return app


def damage(path: Path, some: Sequence[Damage]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for table, column, how in some:
            name = f'"{table.name}"'
            key = [f'"{one.name}"' for one in table.primary_key.columns]
            newest = ", ".join(f"{one} DESC" for one in key)
            row = connection.execute(
                f'SELECT "{column.name}", {", ".join(key)} FROM {name} ORDER BY {newest} LIMIT 1'
            ).fetchone()
            value = DAMAGES[how](row[0]) if callable(DAMAGES[how]) else DAMAGES[how]
            here = " AND ".join(f"{one} = ?" for one in key)
            try:
                connection.execute(
                    f'UPDATE OR IGNORE {name} SET "{column.name}" = ? WHERE {here}', (value, *row[1:])
                )
            except sqlite3.IntegrityError:  # no row of this kind can be there
                continue
        connection.commit()


@pytest.mark.parametrize("some", CASES, ids=lambda some: str(some[0]).replace("\0", ""))
def test_a_damaged_row_stops_nothing_but_itself(template: Path, tmp_path: Path, some: list[Damage]) -> None:
    shutil.copy(template / "watchkeeper.db", tmp_path)
    damage(tmp_path / "watchkeeper.db", some)
    app = started(tmp_path)
    try:
        live_on(app)
        told = (tmp_path / "told").read_text()
        assert "HighErrorRate" in told
        assert "initech/score" in told, "somebody is paged for the model that fails"
        assert pages(app) == {}
    finally:
        app.log.stop()
        app.store.close()


def live_on(app: App) -> None:
    """Predictions come in, of which many fail; three ticks, each job, and everything that is to be told."""
    clock = app.clock
    assert isinstance(clock, ManualClock)
    row = {"client": "initech", "model": "score", "features": {"size": 1.5}}
    for _ in range(3):
        rows = [{**row, "timestamp": clock.now(), "error": "timeout"} for _ in range(24)]
        assert send(app.log, RecordKind.PREDICTIONS, rows).accepted == 24
        app.tick()
        for _ in range(40):
            if not app.dispatcher.step():
                break
        clock.advance(5)
    for job in jobs(app):
        job()
    active = app.store.faults.active()
    assert [fault for fault in active if fault.part in ("job", "thread")] == []
    assert [fault for fault in active if "initech" in fault.subject] == [], "no row of it is damaged"


def jobs(app: App) -> Iterator[Any]:
    now = app.clock.now()
    yield from (
        app.jobs.learn,
        app.jobs.compact,
        app.jobs.delete_expired,
        app.jobs.measure_rows,
        app.jobs.health_problem,
    )
    yield from (app.follow_leader, app.store_faults, app.store_versions, app.access.write_uses)
    yield lambda: app.baselines.update(now)
    yield lambda: app.daily_summaries.update(now)
    yield lambda: app.digests.send_due(now)
    yield lambda: app.change_mails.send_due(now)


def pages(app: App) -> dict[str, int]:
    """The pages that fail although they are not about what is damaged."""
    with app.store.write() as connection:
        _, key = api_keys.create(connection, api_keys.KeyKind.STAFF, "", app.clock.now(), name="test")
    addresses = ("/staff/", "/staff/keys", "/staff/m/initech/score/production", "/metrics")
    answers = {}
    with TestClient(app.application, raise_server_exceptions=False) as http:
        for address in addresses:
            answer = http.get(address, headers={"Authorization": f"Bearer {key}"})
            if answer.status_code >= 400:
                answers[address] = answer.status_code
    return answers
