"""Incidents of streams with few rows: they last as long as their drift, and say when it began."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import drift
from monitor.drift.decision.change_point import change_point, support
from monitor.drift.model.kalman_filter import AGES
from monitor.records import Window
from tests.bench import few_rows
from tests.bench.few_rows import BUDGET, FewRows
from tests.bench.streams import BUCKETS, HOUR, bucketed


def test_an_incident_of_fifty_rows_a_day_lasts_as_long_as_its_drift_and_its_interval_holds_the_begin() -> (
    None
):
    lives = [few_rows.judge(FewRows(50, seed, shift=0.6, columns=6)) for seed in range(2000, 2005)]
    assert all(np.isfinite(one.delay) for one in lives)
    assert all(one.lasted > 0 for one in lives)
    assert np.median([one.lasted for one in lives]) <= 8
    assert sum(one.holds for one in lives) >= 4
    assert np.median([abs(one.late) for one in lives]) <= 24


def test_no_column_leaves_while_a_drift_lasts_that_its_wander_hides() -> None:
    """A stream on which a mean that begins at zero, and is small for a while, let the column leave 18 days early."""
    assert few_rows.judge(FewRows(50, 2007, shift=0.5, columns=6, wander=0.2)).lasted > 0


def test_a_job_that_runs_once_on_working_days_is_judged_by_days_and_closes_nothing_on_weekends() -> None:
    drifts = [
        few_rows.judge(FewRows(2000, seed, shift=0.5, columns=6, at_once=True)) for seed in range(2000, 2004)
    ]
    assert FewRows(2000, 0, at_once=True).seconds == 86_400
    assert max(one.delay for one in drifts) <= 5  # days, a weekend among them
    assert all(0 < one.lasted <= 9 for one in drifts)
    assert sum(one.holds for one in drifts) >= 3
    assert [few_rows.judge(FewRows(2000, seed, columns=6, at_once=True)).pages for seed in (2000, 2001)] == [
        0,
        0,
    ]


def stream(n: int, moved: range, windows: int, *, seed: int) -> list[drift.WindowCounts]:
    """Hours of `n` rows in four normal columns; the first is shifted in the hours `moved`."""
    rng = np.random.default_rng(seed)
    made = []
    for t in range(windows):
        drawn = rng.standard_normal((4, n))
        drawn[0] += 1.0 * (t in moved)
        made.append(drift.WindowCounts(Window(t * HOUR, (t + 1) * HOUR), bucketed(drawn).ravel()))
    return made


def test_windows_without_rows_are_not_quiet() -> None:
    """A drift ends, and nothing comes for two days: the incident stays open until six windows of rows were quiet."""
    columns = [drift.WatchedColumn(f"n {i}", drift.ColumnType.NUMBER, BUCKETS) for i in range(4)]
    made = stream(100, range(250, 260), 300, seed=7)
    calibration = drift.fit(columns, made[:240])
    limits, state = drift.limits(columns, BUDGET.limit(HOUR)), drift.begin(calibration)
    for counts in made[240:263]:
        state, _ = drift.advance(calibration, state, counts, limits)
    assert state.incident.is_open
    assert state.incident.quiet[0] > 0
    for t in range(263, 311):
        nothing = drift.WindowCounts(Window(t * HOUR, (t + 1) * HOUR), np.zeros(4 * (BUCKETS + 3)))
        state, decision = drift.advance(calibration, state, nothing, limits)
        assert not decision.closed
    for counts in made[263:]:
        later = Window(counts.window.start + 48 * HOUR, counts.window.end + 48 * HOUR)
        state, _ = drift.advance(calibration, state, replace(counts, window=later), limits)
    assert not state.incident.is_open


def scores(begin: int, size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sixty windows of normal scores with a shift from `begin` on, and the response to a shift of one."""
    score = np.random.default_rng(seed).standard_normal(60)
    score[begin:] += size
    return score, np.ones((60, AGES))


def test_the_interval_of_a_change_point_holds_it_as_often_as_it_says() -> None:
    """A uniform begin and a normal size, as the prior has them: 90 % of the intervals hold the truth."""
    rng = np.random.default_rng(11)
    held = 0
    for seed in range(600):
        begin, size = int(rng.integers(0, 60)), abs(float(rng.standard_normal())) * 2
        found = change_point(support(*scores(begin, size, seed), 1.0, 2.0))
        held += found.earliest <= begin <= found.latest
        assert found.earliest <= found.at <= found.latest
    assert held >= 0.87 * 600


def test_the_support_is_the_bayes_factor_of_its_integral() -> None:
    """An oracle: the likelihood ratio, integrated over the normal prior of the size by quadrature."""
    score, response = scores(20, 1.0, 5)
    score = np.abs(score).clip(0, 5)  # every partial sum is of the drift's sign
    response = response * np.array([0.9, 0.7, 0.6, 0.5])
    found = support(score, response, 1.0, 1.5)
    size = np.linspace(-15, 15, 6001)
    for begin in (0, 19, 57, 59):
        shift = np.array([response[t, min(t - begin, AGES - 1)] for t in range(begin, 60)])
        x = score[begin:]
        log = size[:, None] * shift * x - (size[:, None] * shift) ** 2 / 2
        prior = np.exp(-((size / 1.5) ** 2) / 2) / (1.5 * np.sqrt(2 * np.pi))
        integral = float(np.trapezoid(prior * np.exp(log.sum(axis=1)), size))
        assert found[begin] == pytest.approx(np.log(integral), rel=1e-6, abs=1e-6)


@given(st.integers(0, 59), st.floats(4.0, 50.0), st.integers(0, 1000))
def test_law_a_large_change_is_dated_to_its_window(begin: int, size: float, seed: int) -> None:
    found = change_point(support(*scores(begin, size, seed), 1.0, size))
    assert abs(found.at - begin) <= 1
    assert found.latest - found.earliest <= 4
