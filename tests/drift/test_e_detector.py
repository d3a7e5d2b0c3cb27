"""The promise: while calibrated scores are normal, false alarms are as rare as the budget says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.decision import e_detector
from monitor.drift.decision.relevance import is_relevant

NONE = np.zeros(1)
SIZES = np.array([0.4, 0.8, 1.5, 4.0])


def step(
    state: e_detector.Evidence,
    scores: np.ndarray,
    margins: np.ndarray,
    deviations: np.ndarray,
    rows: np.ndarray,
    start: float,
    first: float = 1.0,
) -> e_detector.Evidence:
    """One window on charts whose drifts show `first` times as much in their first window as later."""
    ages = np.linspace(first, 1.0, len(state.ratio))
    lambdas = np.broadcast_to(ages[:, None, None] * SIZES, (len(ages), len(scores), len(SIZES)))
    bounds = np.tile([e_detector.CLIP, 4.0], (len(scores), 1))
    return e_detector.advance(state, scores, margins, lambdas, bounds, deviations, rows, start)


def first_alarms(limit: float, runs: int, dependence: float, seed: int, ages: int = 1) -> np.ndarray:
    """When the mean evidence of ten charts first exceeds the limit, in each of many runs."""
    rng = np.random.default_rng(seed)
    charts = 10
    state = e_detector.begin(charts * runs, ages)
    found = np.full(runs, np.inf)
    zero, rows = np.zeros(charts * runs), np.ones(charts * runs)
    for t in range(40 * int(limit)):
        shared = rng.standard_normal((runs, 1)) * np.sqrt(dependence)
        scores = shared + rng.standard_normal((runs, charts)) * np.sqrt(1 - dependence)
        state = step(state, scores.ravel(), zero, zero, rows, float(t + 1), first=3.0 if ages > 1 else 1.0)
        mean = state.mean().sum(axis=1).reshape(runs, charts).mean(axis=1)
        found = np.where(np.isinf(found) & (mean >= limit), t + 1.0, found)
        if np.isfinite(found).all():
            break
    return np.minimum(found, 40 * limit)


@pytest.mark.parametrize("dependence", [0.0, 0.9])
@pytest.mark.parametrize(("limit", "ages"), [(5.0, 1), (15.0, 1), (15.0, 4)])
def test_the_mean_time_to_a_false_alarm_is_at_least_the_limit(
    limit: float, dependence: float, ages: int
) -> None:
    """Runs that never alarm are cut at forty times the limit, which can only lower the mean."""
    times = first_alarms(limit, 200, dependence, seed=7, ages=ages)
    error = times.std() / np.sqrt(times.size)
    assert times.mean() + 3 * error >= limit, f"{times.mean():.0f} +- {error:.0f} windows, limit {limit:.0f}"
    assert times.mean() - 3 * error >= limit, "the promise should hold with room, for the scores are clipped"


def test_the_rate_of_false_alarms_is_within_the_budget_with_its_binomial_error() -> None:
    limit, runs = 16.0, 300
    times = first_alarms(limit, runs, 0.0, seed=11)
    early = float((times <= limit / 4).mean())
    error = float(np.sqrt(early * (1 - early) / runs))
    # Markov: the chance of an alarm by t is at most E[R_t] / limit = t / limit.
    assert early - 3 * error <= 0.25


@given(st.floats(-50, 50), st.floats(0, 5))
def test_one_windows_factor_is_bounded_so_that_no_single_window_can_alarm(
    score: float, margin: float
) -> None:
    state = step(e_detector.begin(1), np.array([score]), np.array([margin]), NONE, np.ones(1), 1.0)
    assert state.ratio.max() <= np.exp(e_detector.CLIP**2 / 2) + 1e-9


def test_a_shift_within_the_margin_never_becomes_evidence() -> None:
    state = e_detector.begin(1)
    for t in range(500):
        state = step(state, np.array([2.0]), np.array([2.5]), np.array([0.05]), np.ones(1), t + 1.0)
    assert state.mean().sum() < 2


def test_a_chart_without_rows_keeps_its_evidence() -> None:
    state = step(e_detector.begin(1), np.array([3.0]), NONE, np.array([0.4]), np.ones(1), 1.0)
    later = step(state, NONE, NONE, NONE, np.zeros(1), 2.0)
    assert np.array_equal(later.ratio, state.ratio)
    assert np.array_equal(later.since, state.since)


def test_since_is_when_the_evidence_began() -> None:
    state = e_detector.begin(1)
    for t in range(1, 30):
        score = -3.0 if t < 20 else 3.0
        state = step(state, np.array([score]), NONE, np.array([score]), np.ones(1), float(t))
    assert state.since[0, 0] == 20
    assert state.effect()[0, 0] == pytest.approx(3.0)


@pytest.mark.parametrize(("usual", "is_novel"), [(0.001, False), (0.02, True)])
def test_evidence_for_unseen_values_grows_by_at_most_one_a_window_under_the_usual_share(
    usual: float, is_novel: bool
) -> None:
    rng = np.random.default_rng(3)
    runs, rate = 2000, np.full(2000, usual)
    novel = np.full(runs, is_novel)
    state = e_detector.begin_unseen(runs)
    for t in range(20):
        found = rng.binomial(200, rate).astype(float)
        state = e_detector.advance_unseen(state, found, np.full(runs, 200.0), rate, novel, float(t + 1))
    mean, error = state.mean().mean(), state.mean().std() / np.sqrt(runs)
    assert mean - 3 * error <= 20


def test_bets_by_age_find_a_drift_that_the_filter_comes_to_follow_sooner() -> None:
    """A score that begins high and settles low: whoever lambdas as much late as early loses late what was won early."""

    def needed(ages: int) -> int:
        state = e_detector.begin(1, ages)
        for t, score in enumerate([3.0, 2.0, 1.5, *[1.1] * 200]):
            state = step(state, np.array([score]), NONE, NONE, np.ones(1), t + 1.0, first=3.0)
            if state.mean().sum() >= 1e5:
                return t
        return 10**6

    assert needed(4) < needed(1)


def test_a_change_of_half_the_smallest_relevant_one_is_rarely_relevant_and_a_large_one_at_once() -> None:
    """With 100 rows a window, prices that rise with inflation were paged: the mean of a few windows is often twice as
    large as the change that has lasted for weeks.
    """
    least, charts, limit = 0.1, 60, 936.0
    rng, rows, one = np.random.default_rng(11), np.full(60, 100.0), np.ones(60)

    def alarms(change: float, windows: int) -> float:
        """The share of charts that have the evidence, and a relevant change."""
        state, alarmed = e_detector.begin(charts), np.zeros(charts, bool)
        for t in range(windows):
            deviation = change + rng.standard_normal(charts) / 10
            state = step(state, 10 * deviation, 0.13 * one, deviation, rows, t + 1.0)
            counted = (state.mean() * is_relevant(state, least, limit)).sum(axis=1)
            alarmed |= counted >= 20 * limit
        return float(alarmed.mean())

    assert alarms(0.05, 700) < 0.4
    assert alarms(0.2, 15) > 0.8
    assert alarms(0.5, 3) > 0.9
