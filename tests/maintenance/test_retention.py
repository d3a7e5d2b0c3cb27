"""Data past its retention is deleted, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from monitor.maintenance.retention import delete_expired
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Silence, Window
from monitor.store import audit, baselines, digests, predictions, profiles, quarantine, silences, timeseries
from monitor.store.baselines import StoredBaseline
from monitor.store.db import Store
from monitor.store.quarantine import Quarantined
from monitor.store.settings import StoreSettings
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.support import schema
from tests.support.audited import state
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon, measuring_daemon

DAY = 86400.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def test_what_is_older_than_its_retention_is_forgotten_and_nothing_else(daemon: MeasuringDaemon) -> None:
    daemon.predict(10, at=NOW - 2 * DAY)
    daemon.predict(7)
    daemon.count()
    kept = PredictionSettings(retention=DAY)
    delete_expired(daemon.store, StoreSettings(), kept, WindowSettings(), NOW)
    with daemon.store.read() as connection:
        assert predictions.count_rows(connection, STREAM) == 7
    assert delete_expired(daemon.store, StoreSettings(), kept, WindowSettings(), NOW) == 0
    assert [(one.who, one.client, one.at) for one in deletions(daemon.store)] == [("daemon", "acme", NOW)]


def deletions(store: Store) -> list[audit.AuditEntry]:
    with store.read() as connection:
        return [one for one in audit.latest(connection) if one.target == "delete what is past its retention"]


def test_each_client_of_whom_something_is_deleted_has_one_entry_a_run_or_nothing_is_deleted(
    tmp_path: Path,
) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    old = NOW - 900 * DAY
    with store.write() as connection:
        for client in ("acme", "globex", "late"):
            at = NOW if client == "late" else old
            refused = Rejected(0, "wrong", "", client, "m", b"{}")
            quarantine.put(connection, [Quarantined(at, "predictions", "wrong", refused)])
            digests.claim(connection, client, "daily", "2024-01-01", at, "sent")
        connection.exec_driver_sql(
            "CREATE TRIGGER f BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    before = state(tmp_path / "a.db")
    with pytest.raises(SQLAlchemyError):
        delete_expired(store, StoreSettings(), PredictionSettings(), WindowSettings(), NOW)
    assert state(tmp_path / "a.db") == before
    with store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER f")
    assert delete_expired(store, StoreSettings(), PredictionSettings(), WindowSettings(), NOW) == 4
    assert sorted(one.client for one in deletions(store)) == ["acme", "globex"]
    assert delete_expired(store, StoreSettings(), PredictionSettings(), WindowSettings(), NOW + 1) == 0
    assert len(deletions(store)) == 2


def test_hours_stay_when_the_minutes_they_are_made_of_are_forgotten(daemon: MeasuringDaemon) -> None:
    for _ in range(70):
        daemon.predict(3)
        daemon.clock.advance(MINUTE)
        daemon.measure()
    now = daemon.clock.now()

    def kept() -> tuple[int, int, set[int]]:
        with daemon.store.read() as connection:
            minutes, hours = (
                len(timeseries.load(connection, STREAM, "volume", length, NOW - 3600, now).starts)
                for length in (MINUTE, 3600)
            )
            lengths = set(connection.scalars(select(profiles.PROFILES.c.seconds).distinct()))
        return minutes, hours, lengths

    minutes, hours, lengths = kept()
    assert minutes > 60
    assert hours >= 1
    assert lengths > {MINUTE}
    settings = WindowSettings(fine_retention=DAY)
    delete_expired(daemon.store, StoreSettings(), PredictionSettings(), settings, now + DAY / 2)
    assert kept() == (minutes, hours, lengths)
    delete_expired(daemon.store, StoreSettings(), PredictionSettings(), settings, now + 2 * DAY)
    assert kept() == (0, hours, {MINUTE})
    with daemon.store.read() as connection:  # the sums are made again
        assert (
            Rolling(connection, MINUTE, settled=now).profile(STREAM, Window(int(NOW), int(now))).rows == 210
        )


def test_replaced_baselines_silences_and_digests_are_forgotten_in_their_time(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    made = [
        StoredBaseline(STREAM, "baseline", NOW + at * DAY, "a", None, None, "x", str(at), b"b", b"", b"ADA")
        for at in (0, 10, 20)
    ]
    with store.write() as connection:
        for one in made:
            baselines.put(connection, one, NOW)
        for name, ended in (("old", NOW), ("new", NOW + 450 * DAY)):
            silences.add(connection, Silence(name, ('client="acme"',), 0.0, ended, "ada", ""))
        digests.claim(connection, "acme", "daily", "2026-01-01", NOW, "sent")

    def after(days: float) -> tuple[list[tuple[str, bytes]], int, int]:
        delete_expired(store, StoreSettings(), PredictionSettings(), WindowSettings(), NOW + days * DAY)
        with store.read() as connection:
            rows = connection.execute(select(baselines.BASELINES.c.digest, baselines.BASELINES.c.sample))
            left = [(row.digest, bytes(row.sample)) for row in rows]
            return left, len(silences.load(connection, 0.0)), len(digests.last_composed(connection))

    assert after(39) == ([("0", b"ADA"), ("10", b"ADA"), ("20", b"ADA")], 2, 1)
    assert after(41) == ([("0", b""), ("10", b"ADA"), ("20", b"ADA")], 2, 1)
    assert after(412) == ([("10", b""), ("20", b"ADA")], 1, 0)
    assert after(4000) == ([("20", b"ADA")], 0, 0), "the one in force stays"
    store.close()
