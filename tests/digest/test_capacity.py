"""When the disk is full, from how it filled; nothing where that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import DAY, HOUR
from monitor.digest.capacity import DiskForecast

TOTAL = 1000.0


def watched(used: list[float], every: float = HOUR, total: float = TOTAL) -> str:
    seen = iter(used)
    forecast = DiskForecast(lambda: (next(seen), total))
    for number in range(len(used)):
        forecast.look(1e9 + number * every)
    return forecast.words()


def test_a_disk_that_fills_is_told_with_the_time_that_is_left() -> None:
    assert watched([500 + 5 * hour for hour in range(25)]) == (
        "The disk of the monitoring is 62 % full. As it grew in the last 1 d, it will be full in 3 d 4 h."
    )


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ([], ""),
        ([500.0], ""),
        ([500.0, 600.0], ""),  # an hour only
        ([500.0] * 25, ""),
        ([600.0, 550.0, 500.0, 450.0], ""),
        ([950.0], "The disk of the monitoring is 95 % full."),
        ([950.0, 940.0, 930.0, 920.0], "The disk of the monitoring is 92 % full."),
        ([500 + 0.01 * hour for hour in range(25)], ""),  # full in years
    ],
)
def test_what_is_not_known_or_far_away_is_not_told(used: list[float], words: str) -> None:
    assert watched(used) == words


def test_only_the_last_day_counts_and_a_larger_disk_begins_anew() -> None:
    forecast = DiskForecast(lambda: usage)
    for hour in range(49):
        usage = (500.0 if hour < 24 else 400.0 + 5 * hour, TOTAL)
        forecast.look(hour * HOUR)
    assert "it will be full in" in forecast.words()
    usage = (649.0, 2 * TOTAL)
    forecast.look(49 * HOUR)
    assert forecast.words() == ""


@given(st.lists(st.tuples(st.floats(-DAY, 30 * DAY), st.floats(0, TOTAL)), max_size=30))
def test_law_it_never_fails_and_never_promises_a_past(looks: list[tuple[float, float]]) -> None:
    used = 0.0
    forecast = DiskForecast(lambda: (used, TOTAL))
    for at, now_used in looks:
        used = now_used
        forecast.look(at)
        assert "-" not in forecast.words()
