"""Budgets in words."""

import numpy as np
import pytest

from monitor import drift
from monitor.drift import codec
from monitor.drift.columns import ColumnType, Role, WatchedColumn, WindowCounts
from monitor.drift.explain import detection_delay
from monitor.drift.model.calibration import fit
from monitor.drift.settings import DriftSettings
from monitor.records import Window
from tests.drift.test_e_detector import first_alarms


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
    told = detection_delay.typical(DriftSettings(false_alarms="2 per week", scope="fleet"))
    assert told.startswith("2 false alarms in 7 days: a shift of 0.2 sd is found in about ")
    assert "for all models together" in told


def test_a_shift_too_small_to_matter_is_not_promised() -> None:
    assert "a shift of 0.2 sd takes more than 336 windows of 15m" in detection_delay.typical(
        DriftSettings(min_effect=0.4)
    )


@pytest.mark.parametrize(
    ("window", "said"), [("1h", "windows of 1h"), ("1d", "1 window of 1d"), ("auto", "windows of 15m")]
)
def test_the_examples_speak_of_the_configured_window(window: str, said: str) -> None:
    """A thousand rows an hour fill windows of 15 minutes."""
    assert f" {said}, " in detection_delay.typical(DriftSettings.model_validate({"window": window}))


def test_an_output_that_is_never_sent_takes_no_share() -> None:
    """A model without confidence spends the outputs' fifth on what it answers; with one, nothing is changed."""
    inputs = tuple(WatchedColumn(f"features.{n}", ColumnType.NUMBER, 10) for n in range(4))
    answer, confidence = (
        WatchedColumn(name, ColumnType.NUMBER, 10, Role.OUTPUT) for name in ("prediction", "confidence")
    )
    columns = (*inputs, answer, confidence)
    all_speak = drift.limits(columns, 720, silent=np.zeros(6, bool))
    np.testing.assert_array_equal(all_speak, drift.limits(columns, 720))
    mute = np.array([*[False] * 5, True, False])
    found = drift.limits(columns, 720, silent=mute[:6])
    np.testing.assert_array_equal(found[:4], all_speak[:4])
    assert found[4] == pytest.approx(all_speak[4] / 2, rel=2e-3)
    assert found[5] > 400 * all_speak[5]
    assert (1 / found).sum() == pytest.approx((1 / all_speak).sum())


def test_where_no_output_was_ever_sent_the_inputs_have_their_share() -> None:
    columns = (
        WatchedColumn("features.x", ColumnType.NUMBER, 10),
        WatchedColumn("confidence", ColumnType.NUMBER, 10, Role.OUTPUT),
    )
    alone, beside = drift.limits(columns[:1], 720), drift.limits(columns, 720, silent=np.array([False, True]))
    assert beside[0] == pytest.approx(alone[0], rel=1e-3)
    assert (1 / beside).sum() == pytest.approx((1 / alone).sum())


def test_a_calibration_knows_which_columns_never_had_a_value() -> None:
    columns = [
        WatchedColumn("features.x", ColumnType.NUMBER, 3),
        WatchedColumn("features.y", ColumnType.PRESENCE, 0),
        WatchedColumn("z", ColumnType.LABEL, 1),
    ]
    counts = np.array([5.0, 0, 40, 30, 25, 0, 100, 0, 0, 0, 100, 0])
    windows = [WindowCounts(Window(t * 3600, (t + 1) * 3600), counts) for t in range(120)]
    calibration = fit(columns, windows, min_effect=0.1)
    assert calibration.silent.tolist() == [False, True, False]
    restored = codec.decode_calibration(codec.encode_calibration(calibration))
    assert restored.silent.tolist() == [False, True, False]
