"""The length of evaluated windows, and how many are needed, by the volume of a stream."""

import pytest

from monitor.config.units import DAY, HOUR, MINUTE, WEEK
from monitor.drift import window_length
from monitor.drift.settings import DriftSettings


@pytest.mark.parametrize(
    ("a_day", "seconds", "least"),
    [
        (24_000, 15 * MINUTE, 100),
        (6_000, 30 * MINUTE, 100),
        (2_400, HOUR, 100),
        (1_000, HOUR, 100),
        (500, HOUR, 100),
        (450, 4 * HOUR, 100),
        (50, DAY, 21),
        (1, DAY, 21),
    ],
)
def test_fewer_rows_have_longer_windows_and_need_fewer_of_them(a_day: int, seconds: int, least: int) -> None:
    assert window_length.length(a_day * 28, 28 * DAY, MINUTE, DriftSettings()) == seconds
    assert window_length.least_windows(seconds) == least


def test_a_configured_length_is_kept_whatever_the_volume() -> None:
    settings = DriftSettings.model_validate({"window": "2h"})
    for rows in (0, 10, 1e9):
        assert window_length.length(rows, WEEK, 7 * MINUTE, settings) == 119 * MINUTE


def test_a_reference_that_never_holds_enough_windows_is_told_with_its_remedy() -> None:
    assert not window_length.never_enough(DAY, DriftSettings())
    told = window_length.never_enough(DAY, DriftSettings.model_validate({"reference": "7d"}))
    assert told == "`drift.reference` is too short for 21 windows of 1d: set it to 22d or more"
    assert window_length.never_enough(2 * DAY, DriftSettings()).endswith("44d or more")
