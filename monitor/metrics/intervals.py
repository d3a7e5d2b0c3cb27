"""Intervals (95 %) and p-values, from counts and sums."""

import math

import numpy as np

from monitor.metrics import tail_probabilities

Interval = tuple[float, float]
Z = 1.959963984540054


def wilson(successes: float, n: float) -> Interval:
    """Interval of a share (Wilson 1927)."""
    if n <= 0:
        return 0.0, 1.0
    share, squared = min(successes / n, 1.0), Z * Z
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = Z * math.sqrt(share * (1 - share) / n + squared / (4 * n * n)) / (1 + squared / n)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))  # rounding, at 0 and 1


def wilson_each(successes: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the intervals of shares, all of positive `n`, shape (k,)."""
    share, squared = np.minimum(successes / n, 1.0), Z * Z
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = Z * np.sqrt(share * (1 - share) / n + squared / (4 * n * n)) / (1 + squared / n)
    low, high = np.minimum(middle - half, share), np.maximum(middle + half, share)
    return np.maximum(0.0, low), np.minimum(1.0, high)


def difference_of_shares(successes: float, n: float, others: float, m: float) -> Interval:
    """Interval of the difference successes/n - others/m, both of positive rows (Newcombe 1998, method 10)."""
    share, other = successes / n, others / m
    (low, high), (low_of_other, high_of_other) = wilson(successes, n), wilson(others, m)
    below = math.hypot(share - low, high_of_other - other)
    above = math.hypot(high - share, other - low_of_other)
    return share - other - below, share - other + above


def ratio_of_shares(successes: float, n: float, others: float, m: float) -> Interval:
    """Interval of the ratio of successes/n to a positive others/m (Donner and Zou 2012, from Wilson's limits).

    Unlike the logarithmic method (Katz et al. 1978), it has a width when no row or every row is a success.
    """
    share, other = successes / n, others / m
    (low, high), (low_of_other, high_of_other) = wilson(successes, n), wilson(others, m)
    product = share * other

    def end(of_share: float, of_other: float, sign: int) -> float:
        under = product**2 - of_share * of_other * (2 * share - of_share) * (2 * other - of_other)
        return (product + sign * math.sqrt(max(under, 0.0))) / (of_other * (2 * other - of_other))

    ratio = share / other
    return max(0.0, min(end(low, high_of_other, -1), ratio)), max(end(high, low_of_other, 1), ratio)


def of_mean(mean: float, variance: float, n: float) -> Interval:
    """Normal interval of a mean; `variance` is that of single values."""
    half = Z * math.sqrt(max(variance, 0.0) / n)
    return mean - half, mean + half


def variance_of(total: float, squares: float, n: float) -> float:
    """Variance of single values, from their sum and sum of squares."""
    return max(squares / n - (total / n) ** 2, 0.0)


def poisson(count: float) -> Interval:
    """Interval of a Poisson count (Wilson and Hilferty's cube root; within 1 % of the exact one from 5 on)."""
    low = 0.0 if count <= 0 else count * (1 - 1 / (9 * count) - Z / (3 * math.sqrt(count))) ** 3
    above = count + 1
    return max(low, 0.0), above * (1 - 1 / (9 * above) + Z / (3 * math.sqrt(above))) ** 3


def two_shares(successes: float, n: float, others: float, m: float) -> float:
    """Two-sided p-value that two shares are equal (pooled z)."""
    pooled = (successes + others) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    if variance <= 0:
        return 1.0
    return two_sided((successes / n - others / m) / math.sqrt(variance))


def two_shares_each(successes: np.ndarray, n: np.ndarray, others: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Two-sided p-values that shares are equal, all of positive `n` and `m`, shape (k,)."""
    pooled = (successes + others) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    varies = variance > 0
    z = (successes / n - others / m)[varies] / np.sqrt(variance[varies])
    p_values = np.ones(len(pooled))
    p_values[varies] = two_sided_each(z)
    return p_values


def two_sided_each(z: np.ndarray) -> np.ndarray:
    """P-values of standard normal deviates, shape (k,)."""
    return np.array([tail_probabilities.normal_two_sided(one) for one in z.tolist()], np.float64)


def two_sided(z: float) -> float:
    """P-value of a standard normal deviate."""
    return tail_probabilities.normal_two_sided(z)


def kolmogorov(distance: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """P-values of two-sample Kolmogorov-Smirnov distances (asymptotic, with Stephens' correction)."""
    effective = np.sqrt(n * m / (n + m))
    return tail_probabilities.kolmogorov(np.nan_to_num((effective + 0.12 + 0.11 / effective) * distance))


def chi_square(statistic: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Upper tail of the chi-square distribution; 1 without degrees of freedom."""
    return tail_probabilities.chi_square(statistic, degrees)


def rank_interval(n: float, share: float) -> Interval:
    """Ranks (0 to n) that hold the quantile `share` with 95 % probability (binomial, normal approximation)."""
    half = Z * math.sqrt(n * share * (1 - share))
    return max(0.0, n * share - half), min(n, n * share + half)
