"""Means of which only sums are kept: found when larger, and seldom wrong even if values are skewed."""

import numpy as np
import pytest

from monitor.rollouts.signals.means import Sums, larger_mean
from tests.support.thorough import examples

TOLERATED = 1.2


def sums(rng: np.random.Generator, n: int, median: float, spread: float, minutes: int = 40) -> Sums:
    values = median * np.exp(rng.normal(0, spread, (minutes, n)))
    return Sums(np.full(minutes, float(n)), np.stack([values.sum(axis=1), (values**2).sum(axis=1)]))


def found(canary: tuple[int, float], stable: int, spread: float, limit: float, runs: int = 60) -> float:
    rng = np.random.default_rng(2)
    return float(
        np.mean(
            [
                larger_mean(sums(rng, *canary, spread), sums(rng, stable, 1.0, spread), TOLERATED).max()
                >= limit
                for _ in range(runs)
            ]
        )
    )


@pytest.mark.parametrize(("canary", "stable"), [(30, 270), (150, 150), (270, 30)])
def test_a_mean_at_the_limit_is_seldom_called_larger_however_skewed_the_values_are(
    canary: int, stable: int
) -> None:
    share = found((canary, TOLERATED), stable, 1.5, 100.0, examples(60))
    assert share <= 0.05


def test_a_mean_that_is_twice_as_large_is_found() -> None:
    assert found((30, 2.0), 270, 0.5, 3_333.0) >= 0.95


def test_blocks_wait_until_both_versions_have_enough_answers() -> None:
    rng = np.random.default_rng(2)
    few = larger_mean(sums(rng, 4, 5.0, 0.5, minutes=16), sums(rng, 8, 1.0, 0.5, minutes=16), TOLERATED)
    assert np.all(few == 1), "eleven minutes with four answers each, after the quiet ones"
    same = Sums(np.full(20, 100.0), np.full((2, 20), 100.0))
    assert np.all(larger_mean(same, same, TOLERATED) <= 1), "constant values have no spread"
