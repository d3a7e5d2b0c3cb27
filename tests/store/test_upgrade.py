"""A store that an earlier version left behind is opened, brought up to date, and gone on with.

`tests/data/store-NNNN.db.xz` is what `tests/support/make_store.py` made with the version whose last migration was NNNN.
"""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import MetaData, func, select, text

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.export import export_parquet
from monitor.records import State, Status, Stream
from monitor.store import alerts, drift, outbox, predictions, quarantine, silences, streams
from monitor.store.db import Store
from tests.support import history
from tests.support.log import send
from tests.support.make_store import BEGAN, DAYS, ROWS, STEP, configured
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.postgresql import postgresql

DATA = Path(__file__).parent.parent / "data"
FOUND = sorted(DATA.glob("store-*.db.xz"))
FRAUD, CHURN, PRICE = Stream("acme", "fraud"), Stream("acme", "churn"), Stream("globex", "price")
HOURS = 10
LEFT = BEGAN + HOURS * STEP + 115
"""When the daemon was killed that wrote it."""


@dataclass
class Upgraded:
    """The present version on a store of an earlier one, at the time when that was killed."""

    app: App
    clock: ManualClock
    pager: PagerDutyStandIn

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(5)
            self.app.tick()
            while self.app.dispatcher.step():
                self.clock.advance(1)


@pytest.fixture(params=FOUND, ids=lambda path: path.name.split(".")[0])
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file, unpacked."""
    path = tmp_path / "watchkeeper.db"
    path.write_bytes(lzma.decompress(request.param.read_bytes()))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, left: Path, tmp_path: Path) -> Iterator[Upgraded]:
    clock = ManualClock(LEFT)
    url = f"sqlite:///{left}"
    server = postgresql() if request.param == "postgresql" else None
    try:
        if server is not None:
            url = server.__enter__().url
            _copied(left, url)
        with PagerDutyStandIn(tmp_path, clock.now) as pager:
            app = App(load(configured(tmp_path, url, pager.url, pager.ca_file)), clock)
            app.log.start()
            yield Upgraded(app, clock, pager)
            app.stop()
    finally:
        if server is not None:
            server.__exit__(None, None, None)


def _copied(left: Path, url: str) -> None:
    """The same rows on PostgreSQL, in the tables of the migration that the file is at."""
    old, new = Store(f"sqlite:///{left}"), Store(url)
    with old.read() as reading, new.write() as writing:
        revision = reading.execute(text("select version_num from alembic_version")).scalar_one()
        config = AlembicConfig()
        config.set_main_option("script_location", "monitor/store/migrations")
        config.attributes["connection"] = writing
        command.upgrade(config, revision)
        tables = MetaData()
        tables.reflect(writing)
        for table in tables.sorted_tables:
            rows: list[dict[str, Any]] = [
                dict(row._mapping) for row in reading.execute(text(f'select * from "{table.name}"'))
            ]
            if rows and table.name != "alembic_version":
                writing.execute(table.insert(), [_typed(table, row) for row in rows])
            numbered = table.autoincrement_column
            if (
                rows
                and numbered is not None
                and numbered.identity is None
                and numbered.server_default is not None
            ):
                last = writing.execute(select(func.max(numbered))).scalar_one()
                name = {"table": table.name, "column": numbered.name, "last": last}
                writing.execute(text("select setval(pg_get_serial_sequence(:table, :column), :last)"), name)
    old.close()
    new.close()


def _typed(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """SQLite has no booleans."""
    return {
        name: bool(value) if value is not None and table.c[name].type.python_type is bool else value
        for name, value in row.items()
    }


def test_what_was_stored_is_there_is_read_and_goes_on(upgraded: Upgraded, tmp_path: Path) -> None:
    app = upgraded.app
    with app.store.read() as connection:
        assert streams.streams(connection) == [CHURN, FRAUD, PRICE]
        assert predictions.count_rows(connection, FRAUD) == (DAYS * 24 + HOURS) * ROWS
        firing = {(a.rule, a.stream): a for a in alerts.load(connection).values() if a.state is State.FIRING}
        assert {("HighErrorRate", PRICE), ("HighErrorRate", CHURN), ("SignificantDrift", FRAUD)} <= set(
            firing
        )
        untold = outbox.waiting(connection)
        assert [one for one in untold if one.channel == "pagerduty"]
        assert all(one.status is Status.PENDING for one in untold)
        assert len(silences.load(connection, LEFT)) == 1
        assert drift.calibration(connection, FRAUD) is not None
        judged = drift.state(connection, FRAUD)
        assert judged is not None
        assert [one.closed for one in drift.incidents(connection, FRAUD)] == [None]
    files = export_parquet(app.store, FRAUD, BEGAN - DAYS * 86400, LEFT, tmp_path / "out", lambda *_: None)
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert len(rows) == (DAYS * 24 + HOURS) * ROWS
    assert sum(row.get("outcome.truth") is not None for row in rows) == HOURS * 9

    upgraded.tick()
    assert upgraded.pager.refused == []
    told = {incident.summary.split(" ")[0] for incident in upgraded.pager.incidents}
    assert "globex/price" in told, "what nobody took is told now"
    assert "acme/churn" not in told, "the silence holds"

    for hour in range(HOURS, HOURS + 3):
        start = int(BEGAN) + hour * STEP
        upgraded.clock.set(start + STEP - 20.0)
        more = history.table(start, start + STEP, STEP, ROWS, older_by=35.0, version="8")
        assert send(app.log, RecordKind.PREDICTIONS, list(history.records(more))).accepted == ROWS
        for client, model in (("globex", "price"), ("acme", "churn")):
            row = {"client": client, "model": model, "timestamp": upgraded.clock.now(), "prediction": 1.0}
            assert send(app.log, RecordKind.PREDICTIONS, [row] * 400).accepted == 400
        upgraded.tick(3)
        app.jobs.learn()
        app.jobs.compact()
        app.jobs.delete_expired()
    with app.store.read() as connection:
        now = {alert.fingerprint: alert for alert in alerts.load(connection).values()}
        for (rule, stream), before in firing.items():
            if rule == "HighErrorRate":
                after = now[before.fingerprint]
                assert (after.state, after.episode) == (State.RESOLVED, before.episode), stream
        after_judging = drift.state(connection, FRAUD)
        assert after_judging is not None
        assert after_judging.judged_until > judged.judged_until
    assert upgraded.pager.of(next(i.key for i in upgraded.pager.incidents if i.summary.startswith("globex")))
    assert [i.summary for i in upgraded.pager.open() if "HighErrorRate" in i.key] == []


def test_the_commands_read_it(left: Path, tmp_path: Path) -> None:
    path = configured(tmp_path, f"sqlite:///{left}")
    App(load(path), ManualClock(LEFT)).store.close()
    from tests.support.make_store import run

    assert "HighErrorRate" in run(path, "alerts")
    assert "is firing since" in run(path, "explain", "globex/price/production/HighErrorRate")
    assert "acme/fraud" in run(path, "status")
    assert "confidence" in run(path, "quarantine")


def test_there_is_a_store_of_an_earlier_version() -> None:
    assert FOUND
    assert all(path.stat().st_size < 300_000 for path in FOUND)


def test_quarantined_records_are_kept(left: Path) -> None:
    store = Store(f"sqlite:///{left}")
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(quarantine.QUARANTINE)).scalar() == 1
    store.close()
