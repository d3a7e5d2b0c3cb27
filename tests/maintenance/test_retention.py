"""Data past its retention is deleted, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.maintenance.retention import delete_expired
from monitor.predictions.settings import PredictionSettings
from monitor.records import Window
from monitor.store import predictions, profiles, timeseries
from monitor.store.settings import StoreSettings
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
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
