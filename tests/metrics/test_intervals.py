"""Confidence intervals and distributions against SciPy's and exact ones."""

import numpy as np
import pytest
from scipy import special, stats

from monitor.metrics import intervals, tail_probabilities


def test_tails_agree_with_scipy():
    statistic = np.concatenate([[0.0, 1e-9], np.geomspace(1e-4, 2000, 400)])
    for degrees in (1, 2, 3, 4, 5, 10, 11, 19, 21, 40):
        ours = tail_probabilities.chi_square(statistic, np.full(statistic.size, degrees))
        np.testing.assert_allclose(ours, special.chdtrc(degrees, statistic), rtol=1e-9, atol=1e-300)
    assert tail_probabilities.chi_square(np.array([3.0]), np.array([0])) == [1.0]
    x = np.linspace(0, 4, 500)
    np.testing.assert_allclose(tail_probabilities.kolmogorov(x), special.kolmogorov(x), rtol=1e-9, atol=1e-14)
    assert tail_probabilities.normal_two_sided(-2.5) == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-12)


def test_the_interval_of_a_share_is_wilsons():
    for successes, n in ((0, 10), (3, 10), (10, 10), (50, 1000)):
        oracle = stats.binomtest(successes, n).proportion_ci(method="wilson")
        assert intervals.wilson(successes, n) == pytest.approx((oracle.low, oracle.high))


def test_the_interval_of_a_count_is_close_to_the_exact_one():
    for count in (5, 20, 1000, 1e6):
        exact = stats.chi2.ppf(0.025, 2 * count) / 2, stats.chi2.ppf(0.975, 2 * count + 2) / 2
        assert intervals.poisson(count) == pytest.approx(exact, rel=0.01)
    assert intervals.poisson(0)[0] == 0.0


def test_the_beta_distribution_agrees_with_scipy():
    x = [*np.geomspace(1e-12, 0.5, 40).tolist(), *(1 - np.geomspace(1e-12, 0.4, 40)).tolist()]
    for a in (1e-3, 0.5, 1, 2.5, 30, 4000, 1e6):
        for b in (0.5, 1, 3, 700, 2e6):
            ours = [tail_probabilities.beta(a, b, one) for one in x]
            np.testing.assert_allclose(ours, special.betainc(a, b, x), rtol=1e-7, atol=1e-12)
    assert (tail_probabilities.beta(2, 3, 0.0), tail_probabilities.beta(2, 3, 1.0)) == (0.0, 1.0)


def test_the_binomial_distribution_agrees_with_scipy():
    cases = [
        (0, 5, 0.1),
        (1, 5, 0.0),
        (6, 5, 0.9),
        (3, 200, 0.001),
        (5, 5, 0.999),
        (60, 1000, 0.05),
        (1, 1, 1.0),
    ]
    ours = [tail_probabilities.binomial(*case) for case in cases]
    theirs = [stats.binom.sf(successes - 1, trials, share) for successes, trials, share in cases]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)
