"""A lake's windows teach what drift is held against, where the daemon counted nothing itself."""

from pathlib import Path

import pytest

from monitor.drift.settings import DriftSettings
from monitor.records import Window
from monitor.store import drift as stored
from monitor.store import history
from monitor.store.profiles import StoredProfile
from monitor.windows import baseline, codec
from monitor.windows.count import count
from tests.drift.test_watch import DAY, STREAM, World, fresh, rows, significant

HOUR = 3600


def lake(world: World, seconds: int, layout: str = "") -> None:
    """Hours of a lake instead of windows that were counted live."""
    with world.store.write() as connection:
        found = baseline.load(connection, STREAM)
        assert found is not None
        for start in range(world.at, world.at + seconds, HOUR):
            profile = count(rows(world.rng, 240), found.layout)
            kept = StoredProfile(
                Window(start, start + HOUR), layout or found.layout.id, profile.rows, codec.encode(profile)
            )
            history.put(connection, STREAM, kept, float(start))
    world.at += seconds


@pytest.fixture
def profiled(tmp_path: Path) -> World:
    made = fresh(tmp_path)
    lake(made, 10 * DAY)
    return made


def calibration(world: World) -> stored.StoredCalibration | None:
    with world.store.read() as connection:
        return stored.calibration(connection, STREAM)


def test_a_model_whose_past_lies_in_a_lake_is_watched_from_its_first_day(profiled: World) -> None:
    assert profiled.prepare()
    known = calibration(profiled)
    assert known is not None
    assert (known.seconds, known.windows, known.note) == (HOUR, 240, "")
    profiled.write(DAY)
    assert not significant(profiled.watch())
    profiled.write(6 * HOUR, shift=1.5)
    assert "features.amount" in significant(profiled.watch())
    profiled.store.close()


def test_lake_and_live_windows_are_one_past(profiled: World) -> None:
    profiled.write(4 * DAY)
    assert profiled.prepare()
    known = calibration(profiled)
    assert known is not None
    assert known.windows == 14 * 24
    profiled.store.close()


def test_where_windows_of_another_length_are_wanted_the_lake_teaches_nothing(profiled: World) -> None:
    profiled.write(DAY)
    assert not profiled.prepare(DriftSettings.model_validate({"window": "30m"}))
    profiled.store.close()


def test_what_an_earlier_baseline_counted_of_a_lake_teaches_nothing(tmp_path: Path) -> None:
    made = fresh(tmp_path)
    lake(made, 10 * DAY, layout="of another one")
    made.write(DAY)
    assert not made.prepare()
    made.store.close()
