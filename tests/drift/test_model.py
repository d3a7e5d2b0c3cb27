"""What is learned from the reference: season, wander, tails."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from monitor.drift.model import (
    autocorrelation,
    control_charts,
    fitting,
    kalman_filter,
    location_coupling,
    season,
    tails,
)
from monitor.records import Window

HOUR = 3600
MONDAY = 1_735_516_800


def hours(count: int) -> list[Window]:
    return [Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR) for t in range(count)]


def walk(rng: np.random.Generator, count: int, series: int, memory: float, deviation: float) -> np.ndarray:
    found = np.zeros((count, series))
    level = rng.standard_normal(series) * deviation
    for t in range(count):
        found[t] = level
        level = memory * level + rng.standard_normal(series) * deviation * np.sqrt(1 - memory**2)
    return found


def test_the_wander_is_recovered_from_its_own_simulation() -> None:
    rng = np.random.default_rng(1)
    rows = np.full((2000, 40), 500.0)
    seen = walk(rng, 2000, 40, 0.8, 0.05) + rng.standard_normal((2000, 40)) / np.sqrt(500)
    found = autocorrelation.fit(seen, rows, np.ones(2000), np.zeros(40, dtype=np.int64))
    assert np.median(found.correlation) == pytest.approx(0.8, abs=0.06)
    assert np.median(np.sqrt(found.variance)) == pytest.approx(0.05, abs=0.01)


def test_a_series_without_wander_is_given_none() -> None:
    rng = np.random.default_rng(2)
    seen = rng.standard_normal((1000, 30)) / np.sqrt(200)
    found = autocorrelation.fit(seen, np.full((1000, 30), 200.0), np.ones(1000), np.zeros(30, dtype=np.int64))
    assert np.median(found.variance) < 0.2 / 200


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_errors_are_white_with_variance_one_on_new_data(memory: float) -> None:
    rng = np.random.default_rng(3)
    count, series = 2688, 20
    rows = rng.integers(50, 900, (count, series)).astype(float)
    effects = walk(rng, count, series, memory, 0.06) + rng.standard_normal((count, series)) / np.sqrt(rows)
    windows, gaps = hours(count), np.ones(count)
    where, half = season.cells(windows, "hour", "UTC"), count // 2
    family, least = np.zeros(series, dtype=np.int64), np.full(series, 0.1)
    fitted = fitting.fit(
        fitting.ReferenceEffects(
            effects[:half],
            rows[:half],
            windows[:half],
            "hour",
            "UTC",
            gaps[:half],
            family,
            least,
            np.arange(series),
            np.arange(series),
        )
    )
    errors, _, _ = fitting.replay(fitted, effects[half:], rows[half:], where[half:], gaps[half:])
    assert errors.var() == pytest.approx(1.0, abs=0.12)
    lagged = (errors[1:] * errors[:-1]).mean(axis=0)
    assert abs(lagged.mean()) < 0.06


def test_the_season_is_the_mean_of_its_cell_and_shrinks_where_it_is_noise() -> None:
    rng = np.random.default_rng(4)
    windows = hours(672)
    where = season.cells(windows, "hour", "UTC")
    true = np.sin(2 * np.pi * (where % 24) / 24)
    effects = np.stack([true + rng.normal(0, 0.1, 672), rng.normal(0, 0.1, 672)], axis=1)
    effects -= effects.mean(axis=0)
    family = np.array([0, 1])
    found = season.fit(effects, np.ones_like(effects, dtype=bool), windows, "hour", "UTC", family)
    assert np.abs(found.offset[where, 0] - true).max() < 0.15
    assert np.abs(found.offset[:, 1]).max() < 0.03


def test_a_smooth_season_is_known_better_than_hour_by_hour_and_one_with_corners_is_not_lost() -> None:
    rng = np.random.default_rng(6)
    windows = hours(672)
    where = season.cells(windows, "hour", "UTC")
    smooth = 0.3 * np.sin(2 * np.pi * where / 24)
    corners = np.where((where % 24 >= 9) & (where % 24 < 17), 0.3, -0.15)
    for true in (smooth, corners):
        wander_too = walk(rng, 672, 30, 0.8, 0.05) + rng.normal(0, 0.03, (672, 30))
        effects = true[:, None] + wander_too
        effects -= effects.mean(axis=0)
        target = (true - true.mean())[:, None]
        seen, family = np.ones_like(effects, dtype=bool), np.zeros(30, dtype=np.int64)
        waves = season.fit(effects, seen, windows, "hour", "UTC", family)
        plain = season.cellwise(effects, seen, where, 48)[0]
        error = np.sqrt(((waves.offset[where] - target) ** 2).mean())
        assert error < np.sqrt(((plain[where] - target) ** 2).mean())
        assert error == pytest.approx(np.sqrt(waves.variance[where].mean()), rel=0.4)


def test_a_few_days_or_missing_hours_fall_back_to_cells() -> None:
    rng = np.random.default_rng(7)
    for windows in (hours(48), hours(672)[::3]):
        effects = rng.normal(0, 0.1, (len(windows), 2))
        seen, family = np.ones_like(effects, dtype=bool), np.zeros(2, dtype=np.int64)
        found = season.fit(effects, seen, windows, "hour", "UTC", family)
        where = season.cells(windows, "hour", "UTC")
        assert np.array_equal(found.offset, season.cellwise(effects, seen, where, 48)[0])


def test_a_spread_that_follows_the_location_is_no_second_change() -> None:
    rng = np.random.default_rng(8)
    lead = walk(rng, 1500, 1, 0.8, 0.2)[:, 0]
    rows = np.full((1500, 2), 1000.0)
    noise = rng.normal(0, 0.03, (1500, 2))
    effects = np.stack([lead, -0.6 * lead**2 + 0.1 * lead], axis=1) + noise
    fitted = location_coupling.fit(effects[:700], rows[:700], np.array([0, 0]))
    after = fitted.remove(effects[700:], rows[700:])
    assert np.array_equal(after[:, 0], effects[700:, 0])
    assert after[:, 1].std() < 0.04 < 0.05 < effects[700:, 1].std()


def test_a_chart_that_follows_nothing_is_left_as_it_is() -> None:
    rng = np.random.default_rng(9)
    effects, rows = rng.normal(0, 0.1, (700, 2)), np.full((700, 2), 100.0)
    fitted = location_coupling.fit(effects, rows, np.array([0, 0]))
    assert np.abs(fitted.remove(effects, rows) - effects).max() < 0.03
    assert np.array_equal(location_coupling.no_coupling(2).remove(effects, rows), effects)


def test_hours_are_local_and_weekends_apart() -> None:
    # In New York the Monday is still Sunday, and the Saturday still Friday.
    windows = [Window(MONDAY, MONDAY + HOUR), Window(MONDAY + 5 * 86_400, MONDAY + 5 * 86_400 + HOUR)]
    assert list(season.cells(windows, "hour", "UTC")) == [0, 24]
    assert list(season.cells(windows, "hour", "America/New_York")) == [24 + 19, 19]


def test_heavy_tails_become_normal_ones_and_light_ones_are_left() -> None:
    rng = np.random.default_rng(5)
    drawn = rng.standard_t(4, (3000, 40))
    family = np.zeros(40, dtype=np.int64)
    fitted = tails.fit(drawn, np.ones_like(drawn, dtype=bool), family, 1)
    new = rng.standard_t(4, (20_000, 1))
    scores = fitted.normal(new, np.zeros(1, dtype=np.int64))
    for chance in (1e-2, 1e-3):
        limit = -ndtri(chance / 2)
        assert (np.abs(scores) > limit).mean() < 1.7 * chance
    assert np.all(np.abs(scores) <= np.abs(new))


def test_the_tail_is_the_generalised_pareto_distribution_of_scipy() -> None:
    fitted = tails.Tails(np.array([3.0]), np.array([0.8]), np.array([0.25]))
    sizes = np.array([3.5, 5.0, 9.0, 20.0])
    found = fitted.normal(sizes, np.zeros(4, dtype=np.int64))
    chance = 0.01 * stats.genpareto.sf(sizes - 3.0, 0.25, scale=0.8)
    assert np.allclose(found, np.minimum(sizes, stats.norm.isf(chance / 2)))


@pytest.mark.parametrize("rare", [0.0, 0.3])
def test_a_replay_is_the_same_to_the_last_bit_as_one_step_after_another(rare: float) -> None:
    rng = np.random.default_rng(9)
    count, series = 400, 24
    rows = rng.integers(20, 900, (count, series)) * (rng.random((count, series)) >= rare).astype(float)
    noise = rng.standard_t(3, (count, series)) / np.sqrt(np.maximum(rows, 1.0))
    effects = np.where(rows > 0, walk(rng, count, series, 0.8, 0.06) + noise, 0.0)
    windows = hours(count)
    gaps = np.where(rng.random(count) < 0.05, 2.5, 1.0)
    where = season.cells(windows, "hour", "UTC")
    family, leader = np.arange(series) % 5, np.arange(series) // 4 * 4
    least = np.full(series, 0.1)
    fitted = fitting.fit(
        fitting.ReferenceEffects(
            effects, rows, windows, "hour", "UTC", gaps, family, least, leader, np.arange(series)
        )
    )
    errors, responses, _ = fitting.replay(fitted, effects, rows, where, gaps)
    state = kalman_filter.begin(fitted.autocorrelation, fitted.season)
    for t in range(count):
        state, scored = control_charts.step(fitted, state, effects[t], rows[t], int(where[t]), float(gaps[t]))
        assert np.array_equal(scored.error, errors[t])
        assert np.array_equal(scored.response[:, -1], responses[t])
