"""When a resource is used up: trends are told, daily cycles and sawteeth are not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.gauges.forecast import hours_left

HOUR = 3600
NOW = 1_800_000_000


def course(shares: list[float]) -> list[tuple[int, float]]:
    """Hourly means up to now."""
    return [(NOW - (len(shares) - index) * HOUR, share) for index, share in enumerate(shares)]


@given(
    begin=st.floats(0.1, 0.6),
    rate=st.floats(0.0005, 0.005),
    noise=st.floats(0, 0.01),
    seed=st.integers(0, 1000),
)
def test_law_a_line_with_noise_reaches_the_end_when_it_does(
    begin: float, rate: float, noise: float, seed: int
) -> None:
    drawn = np.random.default_rng(seed).normal(0, noise, 48)
    shares = [begin + rate * hour + drawn[hour] for hour in range(48)]
    left, reason = hours_left(course(shares), shares[-1], NOW)
    right = (1 - shares[-1]) / rate
    if noise < rate:
        assert left is not None, reason
        assert left == pytest.approx(right, rel=0.6)


@pytest.mark.parametrize("hours", [24, 36, 48, 72])
def test_a_daily_cycle_and_a_sawtooth_without_a_trend_are_never_an_end_within_a_day(hours: int) -> None:
    random = np.random.default_rng(3)
    told = 0
    for phase in range(24):
        day = [0.6 + 0.2 * math.sin(2 * math.pi * (hour + phase) / 24) for hour in range(hours)]
        saw = [0.4 + 0.2 * ((hour + phase) % 12) / 12 for hour in range(hours)]
        for shares in (day, saw):
            noisy = list(np.array(shares) + random.normal(0, 0.01, hours))
            left, _ = hours_left(course(noisy), noisy[-1], NOW)
            told += left is not None and left < 24
    assert told == 0


def test_a_leak_on_top_of_a_daily_cycle_is_told() -> None:
    shares = [0.5 + 0.004 * hour + 0.1 * math.sin(2 * math.pi * hour / 24) for hour in range(60)]
    left, _ = hours_left(course(shares), 0.74, NOW)
    assert left == pytest.approx(65)


def test_what_has_stopped_to_rise_is_no_longer_told() -> None:
    shares = [0.3 + 0.01 * hour for hour in range(36)] + [0.65] * 36
    assert hours_left(course(shares), 0.65, NOW) == (None, "it does not rise")


@pytest.mark.parametrize(
    ("shares", "reason"),
    [([], "0 of 12 hours"), ([0.5] * 29, "5 of 12"), ([0.5] * 48, "does not rise")],
)
def test_without_a_trend_or_without_a_day_nothing_is_said(shares: list[float], reason: str) -> None:
    left, why = hours_left(course(shares), 0.5, NOW)
    assert left is None
    assert reason in why


def test_gaps_of_a_daemon_that_was_down_are_no_reason_to_say_something() -> None:
    sparse = course([0.5 + 0.01 * hour for hour in range(48)])[::3]
    left, _ = hours_left(sparse, 0.9, NOW)
    assert left is None
