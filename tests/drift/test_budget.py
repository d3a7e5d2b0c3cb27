"""Budgets in words."""

import pytest

from monitor import drift
from monitor.drift.settings import DriftSettings


@pytest.mark.parametrize(
    ("words", "alarms", "days"),
    [("1 per 30 days", 1, 30), ("2 per week", 2, 7), ("1 per quarter", 1, 91), ("0.5 per month", 0.5, 30)],
)
def test_words_become_numbers(words: str, alarms: float, days: float) -> None:
    assert drift.parse(words) == drift.Budget(alarms, days * 86_400)


@pytest.mark.parametrize(
    "words", ["", "never", "0 per week", "1 per 0 days", "one per week", "1 per fortnight"]
)
def test_other_words_are_refused_with_an_example(words: str) -> None:
    with pytest.raises(ValueError, match="1 per 30 days"):
        drift.parse(words)
    with pytest.raises(ValueError, match="1 per 30 days"):
        DriftSettings(false_alarms=words)


def test_a_fleet_shares_its_budget() -> None:
    assert drift.parse("1 per 30 days").over(10).limit(3600) == pytest.approx(7200)


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        DriftSettings(time_zone="Mars/Olympus")
