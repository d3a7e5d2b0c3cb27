"""The check before the first page, and what the budget means."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from monitor import drift
from monitor.drift.explain import detection_delay
from monitor.drift.model.autocorrelation import Autocorrelation
from monitor.drift.model.scores import Family
from monitor.drift.replay import Replay, checked, replay, too_little
from tests.bench import hard_streams
from tests.bench.hard_streams import Hard
from tests.bench.streams import HOUR, REFERENCE, Spec, columns, windows

BUDGET = drift.parse("1 per 30 days")
DAY = 86_400


def test_a_reference_without_drift_raises_nothing() -> None:
    spec = Spec("daily", 100, 10, seed=51, windows=1)
    found = replay(columns(spec), list(windows(spec))[:REFERENCE], BUDGET, min_effect=0.1, zone="UTC")
    assert found.raised == 1
    assert found.allowed == pytest.approx(28 / 30)


def test_more_alarms_than_allowed_raise_the_limit_by_their_ratio() -> None:
    independent = np.ones((1, len(Family)))
    assert Replay(6, 1.5, independent).raised == 4
    assert Replay(0, 0.9, independent).raised == 1


def test_errors_that_depend_on_each_other_in_weeks_not_fitted_on_are_divided_by_their_dependence() -> None:
    """A slow wander (correlation 0.98 between hours, 0.15 standard deviations) beside independent columns."""
    spec = Hard("wander", 300, 2103, few=True)
    reference = list(itertools.islice(hard_streams.windows(spec), REFERENCE))
    columns_ = hard_streams.columns(spec)
    found = replay(columns_, reference, BUDGET, min_effect=0.1, zone="UTC")
    fitted = drift.fit(columns_, reference)
    deviations = np.sqrt(found.dependence)
    assert (deviations >= 1).all()
    assert deviations[:4, Family.LOCATION].mean() > 1.05
    after = checked(fitted, found).charts
    first = fitted.scores.column == 0
    assert after.inflation[first] == pytest.approx(
        fitted.charts.inflation[first] * deviations[0, fitted.scores.family[first]]
    )
    # In the units of the errors that are compared with it: a jump of half a deviation was overlooked for two weeks.
    assert after.largest * after.inflation == pytest.approx(fitted.charts.largest * fitted.charts.inflation)


def test_what_is_said_of_a_shift_that_the_filter_would_follow_is_what_happens() -> None:
    """Half a standard deviation in a slow wander is found when it jumps, from any level."""
    spec = Hard("wander", 1000, 2107, few=True)
    every, columns_ = (
        list(itertools.islice(hard_streams.windows(spec), REFERENCE + 240)),
        hard_streams.columns(spec),
    )
    calibration = drift.fit(columns_, every[:REFERENCE])
    limits, state, found = drift.limits(calibration.columns, BUDGET.limit(HOUR)), drift.begin(calibration), []
    for t in range(REFERENCE, len(every)):
        if t % 48 == 0:
            moved = next(
                itertools.islice(hard_streams.windows(replace(spec, drift="0.5 sd", begin=t)), t, t + 1)
            )
            found.append(drift.advance(calibration, state, moved, limits)[0].incident.member[0])
        state, _ = drift.advance(calibration, state, every[t], limits)
    _, promised = detection_delay.delays(calibration, limits)
    assert promised.windows == 1
    assert np.mean(found) > 0.5
    assert "0.5 sd in about 1" in detection_delay.meaning(calibration, limits, BUDGET)


@pytest.mark.parametrize("dependence", [1.0, 1.3, 1.7])
def test_law_however_errors_add_up_over_days_a_jump_is_told_by_the_window_in_which_it_is(
    dependence: float,
) -> None:
    """A slow wander whose sums of errors vary as much more as given. Without a jump, nothing is told."""
    spec = Hard("wander", 1000, 2106, "0.5 sd", few=True)
    stream, columns_ = hard_streams.windows(spec), hard_streams.columns(spec)
    fitted = drift.fit(columns_, list(itertools.islice(stream, REFERENCE)))
    assert fitted.charts.dependence.min() >= 1
    assert fitted.charts.dependence[fitted.scores.family == Family.LOCATION].max() > 1.05
    found = Replay(0, 1.0, np.full((len(columns_), len(Family)), dependence**2))
    calibration = checked(fitted, found)
    limits, state = drift.limits(calibration.columns, BUDGET.limit(HOUR)), drift.begin(calibration)
    for window in itertools.islice(stream, spec.begin - REFERENCE):
        state, decision = drift.advance(calibration, state, window, limits)
        assert not decision.joined.any()
    state, decision = drift.advance(calibration, state, next(stream), limits)
    assert decision.broken[0] == 0
    assert list(np.flatnonzero(decision.joined)) == [0]


def test_less_than_a_week_or_a_hundred_windows_is_too_little_and_says_until_when() -> None:
    assert "until 1970-01-08" in too_little(0, 3 * DAY, 500, HOUR)
    assert "100 are needed" in too_little(0, 8 * DAY, 99, HOUR)
    assert too_little(0, 7 * DAY, 100, HOUR) == ""
    assert "20 are needed" in too_little(0, 28 * DAY, 19, DAY)
    assert too_little(0, 28 * DAY, 28, DAY) == ""


def test_larger_shifts_are_promised_sooner_and_the_promise_is_told_in_words() -> None:
    spec = Spec("iid", 300, 10, seed=52, windows=1)
    calibration = drift.fit(columns(spec), list(windows(spec))[:REFERENCE])
    needed = drift.limits(calibration.columns, BUDGET.limit(HOUR))
    small, large = detection_delay.delays(calibration, needed)
    assert small.windows is not None
    assert large.windows is not None
    assert large.windows < small.windows
    told = detection_delay.meaning(calibration, needed, BUDGET)
    assert told.startswith("1 false alarm in 30 days: a shift of 0.2 sd is found in about")
    assert "windows of 1h, 0.5 sd in about" in told
    raised = detection_delay.meaning(replace(calibration, raised=4.1), needed, BUDGET)
    assert raised == f"{told}; the limit is raised 4.1 times by the replay"


def test_columns_that_wander_too_much_to_show_a_shift_are_told_apart() -> None:
    spec = Spec("iid", 300, 10, seed=53, windows=1)
    calm = drift.fit(columns(spec), list(windows(spec))[:REFERENCE])
    needed = drift.limits(calm.columns, BUDGET.limit(HOUR))
    restless = calm.scores.column > 2
    wander = Autocorrelation(np.where(restless, 0.97, 0.0), np.where(restless, 0.3, 0.0))
    mixed = replace(calm, charts=replace(calm.charts, autocorrelation=wander))
    assert {(one.detected, one.of) for one in detection_delay.delays(mixed, needed)} == {(3, 7)}
    told = detection_delay.meaning(mixed, needed, BUDGET)
    assert "0.5 sd in about" in told
    assert told.endswith("on 3 of 7 number columns (the others fluctuate too much)")
