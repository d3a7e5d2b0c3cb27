"""The bootstrap against scipy's, on the same statistics; blocks and groups; the p-value against the interval."""

import numpy as np
import pytest
from scipy import stats

from monitor.gating import resampling
from monitor.gating.resampling import ResampledStatistic, samples, units_of


def _rmse(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(sums[..., 0] / sums[..., 2]) - np.sqrt(sums[..., 1] / sums[..., 2])


@pytest.mark.parametrize("n", [40, 400])
def test_bounds_are_those_of_scipy(n: int) -> None:
    """BCa of a difference of roots of means of skewed squares, at both ends."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_t(5, n), rng.standard_t(5, n)
    units = units_of(n, None, 0, 20_000)
    parts = units.sums(np.stack([a**2, b**2, np.ones(n)], axis=1))
    (mine,) = samples(units, parts, [_rmse])
    assert mine is not None

    def statistic(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.sqrt((x**2).mean(axis=axis)) - np.sqrt((y**2).mean(axis=axis))

    theirs = stats.bootstrap(
        (a, b),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="BCa",
        rng=1,
        confidence_level=0.9,
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    for level, end in ((0.05, theirs.confidence_interval.low), (0.95, theirs.confidence_interval.high)):
        assert mine.bound(level) == pytest.approx(end, abs=0.03 * width)
    assert mine.deviation == pytest.approx(theirs.standard_error, rel=0.03)


def test_blocks_have_the_spread_of_items() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(1, 60_000)
    units = units_of(values.size, None, 5)
    assert units.count == resampling.MOST_UNITS
    parts = units.sums(np.stack([values, np.ones(values.size)], axis=1))
    (found,) = samples(units, parts, [lambda sums: sums[..., 0] / sums[..., 1]])
    assert found is not None
    assert found.deviation == pytest.approx(values.std() / np.sqrt(values.size), rel=0.07)


def test_groups_are_drawn_as_a_whole() -> None:
    """Ten equal items in each group are one item, ten times."""
    rng = np.random.default_rng(0)
    of_group = rng.normal(0, 1, 500)
    groups = np.repeat(np.arange(500), 10)
    parts = units_of(5000, groups, 1).sums(np.stack([of_group[groups], np.ones(5000)], axis=1))
    alone = units_of(500, None, 1)
    single = alone.sums(np.stack([of_group, np.ones(500)], axis=1))
    mean = [lambda sums: sums[..., 0] / sums[..., 1]]
    (one,), (other,) = samples(units_of(5000, groups, 1), parts, mean), samples(alone, single, mean)
    assert one is not None
    assert other is not None
    assert one.draws == pytest.approx(other.draws)


def test_the_p_value_is_where_the_interval_reaches_zero() -> None:
    rng = np.random.default_rng(2)
    found = ResampledStatistic(-0.4, rng.gamma(9, 0.1, 5000) - 1.3, 0.03)
    p = found.p_below()
    assert 0.001 < p < 0.5
    assert found.bound(1 - p) == pytest.approx(0.0, abs=0.01)


def test_equal_draws_prove_only_what_is_below_zero() -> None:
    same = np.full(100, -2.0)
    assert ResampledStatistic(-2.0, same).p_below() == pytest.approx(1 / 101)
    assert ResampledStatistic(0.0, np.zeros(100)).p_below() == 1.0
    assert ResampledStatistic(-2.0, same).bound(0.05) == -2.0


def test_a_statistic_without_value_in_many_draws_is_not_measured() -> None:
    units = units_of(30, None, 0)
    parts = units.sums(np.eye(30)[:, :1])  # one item of thirty: in a third of all draws it is missing
    assert samples(units, parts, [lambda sums: 1 / np.where(sums[..., 0] > 0, sums[..., 0], np.nan)]) == [
        None
    ]
