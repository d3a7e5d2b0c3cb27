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
        (50, DAY, 20),
        (1, DAY, 20),
    ],
)
def test_fewer_rows_have_longer_windows_and_need_fewer_of_them(a_day: int, seconds: int, least: int) -> None:
    assert window_length.length(a_day * 28, 28 * DAY, MINUTE, DriftSettings()) == seconds
    assert window_length.least_windows(seconds) == least


@pytest.mark.parametrize(
    ("hours", "days", "seconds"),
    [
        (range(24), range(7), 15 * MINUTE),
        (range(9, 17), range(5), 15 * MINUTE),
        (range(2, 3), range(7), 15 * MINUTE),  # an hour of each day: four windows of each
        ([2], range(7), DAY),
        ([2], range(5), DAY),
        ([2, 8, 14, 20], range(7), 15 * MINUTE),
        ([2, 14], range(7), DAY),
    ],
)
def test_rows_that_come_at_once_have_windows_of_which_four_weeks_hold_enough(hours, days, seconds) -> None:
    minutes = (0,) if isinstance(hours, list) else (0, 15, 30, 45)
    starts = [
        day * DAY + hour * HOUR + minute * MINUTE
        for day in range(28)
        if day % 7 in days
        for hour in hours
        for minute in minutes
    ]
    assert window_length.length(280_000, 28 * DAY, MINUTE, DriftSettings(), starts) == seconds
    filled = len({start // seconds for start in starts})
    assert filled >= window_length.least_windows(seconds)
    first = [start for start in starts if start < 9 * DAY]  # the same after nine days
    assert window_length.length(90_000, 9 * DAY, MINUTE, DriftSettings(), first) == seconds


def test_a_configured_length_is_kept_whatever_the_volume() -> None:
    settings = DriftSettings.model_validate({"window": "2h"})
    for rows in (0, 10, 1e9):
        assert window_length.length(rows, WEEK, 7 * MINUTE, settings) == 119 * MINUTE


def test_a_reference_that_never_holds_enough_windows_is_told_with_its_remedy() -> None:
    assert not window_length.never_enough(DAY, DriftSettings())
    told = window_length.never_enough(DAY, DriftSettings.model_validate({"reference": "7d"}))
    assert told == "`drift.reference` is too short for 20 windows of 1d: set it to 21d or more"
    assert window_length.never_enough(2 * DAY, DriftSettings()).endswith("42d or more")
