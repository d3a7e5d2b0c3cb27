"""Budgets in words."""

import numpy as np
import pytest

from monitor import drift
from monitor.drift import power
from monitor.drift.settings import DriftSettings
from tests.drift.test_evidence import first_alarms


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


@pytest.mark.parametrize("minutes", [15, 60])
def test_shorter_windows_are_more_looks_and_no_more_false_alarms(minutes: int) -> None:
    """The time to a false alarm, in hours, is at least the budget's whatever the window's length."""
    budget = drift.parse("1 per 16 hours")
    limit = budget.limit(minutes * 60)
    hours = first_alarms(limit, 100, 0.0, seed=21) * minutes / 60
    error = hours.std() / np.sqrt(hours.size)
    assert hours.mean() - 3 * error >= 16


def test_what_the_budget_means_is_told_before_any_data_came() -> None:
    told = power.typical(DriftSettings(false_alarms="2 per week", scope="fleet"))
    assert told.startswith("2 false alarms in 7 days: a shift of 0.2 sd is found in about ")
    assert "for all models together" in told


def test_a_shift_too_small_to_matter_is_not_promised() -> None:
    assert "a shift of 0.2 sd takes more than 336 windows of 1h" in power.typical(
        DriftSettings(min_effect=0.4)
    )
