"""Rows of another kind of day are told so: a holiday, or timestamps that are late."""

from functools import cache

import numpy as np
import pytest

from monitor import drift
from monitor.drift.columns import ColumnType, WatchedColumn, WindowCounts
from monitor.drift.explain.holidays import like_another_day
from monitor.drift.model.calibration import Calibration, fit
from monitor.records import Window

HOUR, MONDAY = 3600, 1_735_516_800
COLUMNS = (
    WatchedColumn("features.segment", ColumnType.LABEL, 2, labels=("business", "private")),
    WatchedColumn("features.channel", ColumnType.LABEL, 2, labels=("web", "app")),
    WatchedColumn("features.fixed", ColumnType.LABEL, 2, labels=("a", "b")),
)


def window(
    hour: int, rng: np.random.Generator, shares: tuple[float, float, float] | None = None
) -> WindowCounts:
    """An hour of 100 rows, `hour` hours after a Monday; `shares` of the first labels, else the usual ones."""
    is_weekend = hour // 24 % 7 >= 5
    usual = (0.3 if is_weekend else 0.6, 0.5 if is_weekend else 0.7, 0.5)
    counts = [part for share in shares or usual for part in _counts(int(rng.binomial(100, share)))]
    return WindowCounts(Window(MONDAY + hour * HOUR, MONDAY + (hour + 1) * HOUR), np.array(counts, float))


def _counts(first: int) -> list[int]:
    return [0, 0, first, 100 - first, 0]


@cache
def learned() -> Calibration:
    rng = np.random.default_rng(1)
    return fit(COLUMNS, [window(hour, rng) for hour in range(28 * 24)])


def told(first: int, hours: int, shares: tuple[float, float, float] | None = None) -> str:
    rng = np.random.default_rng(2)
    start = 28 * 24 + first
    return like_another_day(learned(), [window(start + hour, rng, shares) for hour in range(hours)])


def test_a_monday_with_the_rows_of_a_weekend_is_told_so_and_the_other_way_round() -> None:
    assert told(0, 6, (0.3, 0.5, 0.5)).startswith("the rows look as they do on weekends: a holiday (")
    assert told(5 * 24, 6, (0.6, 0.7, 0.5)).startswith("the rows look as they do on weekdays: ")


@pytest.mark.parametrize("first", [0, 24, 5 * 24, 6 * 24])
def test_usual_days_are_not(first: int) -> None:
    assert told(first, 12) == ""


@pytest.mark.parametrize(
    "shares",
    [(0.3, 0.7, 0.5), (0.6, 0.5, 0.5), (0.05, 0.2, 0.5), (0.9, 0.9, 0.5), (0.6, 0.7, 0.9)],
    ids=[
        "one column like weekends",
        "the other",
        "beyond weekends",
        "away from weekends",
        "a column without days",
    ],
)
def test_a_change_that_another_day_does_not_explain_is_not(shares: tuple[float, float, float]) -> None:
    assert told(0, 6, shares) == ""


def test_without_windows_nothing_is_told() -> None:
    assert like_another_day(learned(), []) == ""


def test_rows_of_weekends_that_stay_for_good_are_found_as_soon_as_a_holiday_and_stay_open() -> None:
    calibration, rng = learned(), np.random.default_rng(3)
    needed = drift.limits(COLUMNS, drift.parse("1 per 30 days").limit(HOUR))
    state = drift.begin(calibration)
    is_open = []
    for hour in range(28 * 24, 49 * 24):
        state, _ = drift.advance(calibration, state, window(hour, rng, (0.3, 0.5, 0.5)), needed)
        is_open.append(state.incident.is_open)
    days = np.array(is_open).reshape(3, 7, 24)
    assert days[0, 0, 6:].all(), "found within six hours of the first Monday"
    assert days[1:, 1:5].all(), "open on the working days of the next weeks"
