"""Tail probabilities without scipy, whose import would take a command longer than all its work, and a daemon 13 MB.

The tests compare them with scipy.
"""

import math

import numpy as np

_TERMS = 9  # of either series of Kolmogorov; the tenth is below 1e-40
_TINY = 1e-300
_MOST_STEPS = 100_000


def normal_two_sided(z: float) -> float:
    """P(|Z| >= |z|) of a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square(statistic: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """P(X >= statistic) of chi-square with integer degrees of freedom, by its finite series; 1 without degrees.

    Abramowitz and Stegun, 26.4.4 and 26.4.5. Shapes: both (n,).
    """
    half = np.maximum(np.asarray(statistic, np.float64), 0.0) / 2
    degrees = np.asarray(degrees, np.int64)
    odd = degrees % 2 == 1
    erfc = np.array([math.erfc(x) for x in np.sqrt(half).tolist()])
    first = np.where(odd, erfc, np.where(degrees > 0, np.exp(-half), 1.0))
    steps = np.arange(1, int(degrees.max(initial=0)) // 2 + 1)[:, None]
    power = np.where(odd, steps - 0.5, steps)
    gammas = [[math.lgamma(step + 1.0), math.lgamma(step + 0.5)] for step in steps[:, 0].tolist()]
    log_gamma = np.where(odd, *(np.reshape([pair[at] for pair in gammas], (-1, 1)) for at in (1, 0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        term = np.exp(power * np.log(half) - half - log_gamma)
    has_term = (degrees >= 2 * steps + np.where(odd, 1, 2)) & (half > 0)
    total = first + np.where(has_term, term, 0.0).sum(axis=0)
    return np.asarray(np.clip(total, 0.0, 1.0))


def kolmogorov(x: np.ndarray) -> np.ndarray:
    """P(K >= x) of the limiting Kolmogorov distribution, by the faster converging of its two series."""
    x = np.asarray(x, np.float64)
    large = np.maximum(x, 0.7)[:, None]
    steps = np.arange(1, _TERMS + 1)
    upper = 2 * ((-1.0) ** (steps - 1) * np.exp(-2 * steps**2 * large**2)).sum(axis=1)
    small = np.clip(x, 0.05, 0.7)[:, None]
    lower = 1 - math.sqrt(2 * math.pi) / small[:, 0] * np.exp(
        -((2 * steps - 1) ** 2) * math.pi**2 / (8 * small**2)
    ).sum(axis=1)
    return np.asarray(np.clip(np.where(x >= 0.7, upper, np.where(x < 0.05, 1.0, lower)), 0.0, 1.0))


def beta(a: float, b: float, x: float) -> float:
    """P(X <= x) of a beta distribution with shapes a and b, by its continued fraction.

    Digital Library of Mathematical Functions, 8.17.22, evaluated by the method of Lentz; for x beyond the mean the
    other tail converges faster. It takes about sqrt(a + b) steps.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta(b, a, 1.0 - x)
    front = math.exp(_log_density(a, b, x) + math.log(x) + math.log1p(-x)) / a
    upper, lower = 1.0, 1.0 / _apart(1.0 - (a + b) * x / (a + 1))
    fraction = lower
    for step in range(1, _MOST_STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            lower, upper = 1.0 / _apart(1.0 + term * lower), _apart(1.0 + term / upper)
            fraction *= lower * upper
        if abs(lower * upper - 1.0) < 1e-15:
            break
    return min(front * fraction, 1.0)


def binomial(successes: int, trials: int, share: float) -> float:
    """P(X >= successes) of a binomial distribution: a beta probability (DLMF 8.17.5)."""
    if successes <= 0 or successes > trials:
        return float(successes <= 0)
    return beta(successes, trials - successes + 1, share)


def _log_density(a: float, b: float, x: float) -> float:
    log_normalization = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return log_normalization + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)


def _apart(value: float) -> float:
    """The value, or a tiny number instead of zero, so that it can be a divisor."""
    return value if abs(value) > _TINY else _TINY
