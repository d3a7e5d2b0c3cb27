"""A lake's windows teach what drift is held against, where the daemon counted nothing itself."""

from pathlib import Path

import pytest

from monitor.drift.settings import DriftSettings
from monitor.records import Window
from monitor.store import drift as stored
from monitor.store import lake_profiles
from monitor.store.profiles import StoredProfile
from monitor.windows import baseline, codec
from monitor.windows.kernel.count_rows import count
from tests.support.drift_scenario import DAY, STREAM, DriftScenario, fresh, rows, significant

HOUR = 3600


def lake(scenario: DriftScenario, seconds: int, layout: str = "") -> None:
    """Hours of a lake instead of windows that were counted live."""
    with scenario.store.write() as connection:
        found = baseline.load(connection, STREAM)
        assert found is not None
        for start in range(scenario.at, scenario.at + seconds, HOUR):
            profile = count(rows(scenario.rng, 240), found.layout)
            kept = StoredProfile(
                Window(start, start + HOUR), layout or found.layout.id, profile.rows, codec.encode(profile)
            )
            lake_profiles.put(connection, STREAM, kept, float(start))
    scenario.at += seconds


@pytest.fixture
def profiled(tmp_path: Path) -> DriftScenario:
    made = fresh(tmp_path)
    lake(made, 10 * DAY)
    return made


def calibration(scenario: DriftScenario) -> stored.StoredCalibration | None:
    with scenario.store.read() as connection:
        return stored.calibration(connection, STREAM)


def test_a_model_whose_past_lies_in_a_lake_is_watched_from_its_first_day(profiled: DriftScenario) -> None:
    assert profiled.prepare()
    known = calibration(profiled)
    assert known is not None
    assert (known.seconds, known.windows, known.note) == (HOUR, 240, "")
    profiled.write(DAY)
    assert not significant(profiled.watch())
    profiled.write(6 * HOUR, shift=1.5)
    assert "features.amount" in significant(profiled.watch())
    profiled.store.close()


def test_lake_and_live_windows_are_one_past(profiled: DriftScenario) -> None:
    profiled.write(4 * DAY)
    assert profiled.prepare()
    known = calibration(profiled)
    assert known is not None
    assert known.windows == 14 * 24
    profiled.store.close()


def test_where_windows_of_another_length_are_wanted_the_lake_teaches_nothing(profiled: DriftScenario) -> None:
    profiled.write(DAY)
    assert not profiled.prepare(DriftSettings.model_validate({"window": "30m"}))
    profiled.store.close()


def test_what_an_earlier_baseline_counted_of_a_lake_teaches_nothing(tmp_path: Path) -> None:
    made = fresh(tmp_path)
    lake(made, 10 * DAY, layout="of another one")
    made.write(DAY)
    assert not made.prepare()
    made.store.close()
