"""Tests and intervals for items that are right or wrong on both sides: exact McNemar, Tango's interval.

`lost` are items that only the baseline got right, `won` those that only the candidate got right. Items that both got
right, or both wrong, say nothing about which side is better.
"""

import math
from statistics import NormalDist

import numpy as np

_MOST_STEPS = 60
_MOST_EXACT = 20_000
"""Up to this sum of differences, the distribution of signs is computed exactly."""
_HALF = math.log(0.5)


def mcnemar(lost: int, won: int) -> float:
    """The probability of at least `lost` losses among all changed items, if losses and wins were equally likely: the
    one-sided exact test of McNemar that the candidate is not worse.
    """
    changed = lost + won
    if not changed:
        return 1.0
    k = np.arange(max(lost, 0), changed + 1)
    return min(1.0, float(np.exp(_log_choose(changed, k) + changed * _HALF).sum()))


def signs(differences: np.ndarray) -> float:
    """The same for groups of items: the probability of a sum of differences as low as this, if the sign of each
    group's difference were equally likely to be plus or minus. `differences` are wins minus losses, int (groups,).

    With groups of one item, it is McNemar's test. Scaling all differences changes nothing.
    """
    sizes = np.abs(differences[differences != 0])
    if not sizes.size:
        return 1.0
    sizes //= np.gcd.reduce(sizes)
    scale = np.abs(differences[differences != 0]).max() // sizes.max()
    total, observed = int(sizes.sum()), int(differences.sum() // scale)
    if total > _MOST_EXACT:
        spread = math.sqrt(float((sizes.astype(np.float64) ** 2).sum()))
        return NormalDist().cdf((observed + 1) / spread)
    distribution = np.ones(1)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        of_size = np.zeros(int(size) * int(count) + 1)  # how often each sum of that size's groups has a plus
        of_size[:: int(size)] = np.exp(_log_choose(int(count), np.arange(count + 1)) + count * _HALF)
        distribution = np.convolve(distribution, of_size)
    # A sum s has (total + s) / 2 pluses.
    return min(1.0, float(distribution[: (total + observed) // 2 + 1].sum()))


def tango(lost: np.ndarray, won: np.ndarray, n: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """The score interval of (won - lost) / n (Tango 1998): its ends are one-sided bounds of the level of `z`.

    Unlike Wald's interval, it is not empty without changed items. Shapes: all (k,), of positive `n`.
    """
    return _bound(lost, won, n, z), _bound(lost, won, n, -z)


def _bound(lost: np.ndarray, won: np.ndarray, n: np.ndarray, z: float) -> np.ndarray:
    """The difference at which the score statistic, which falls, is `z`; by bisection."""
    low, high = np.full(n.shape, -1.0), np.ones(n.shape)
    for _ in range(_MOST_STEPS):
        middle = (low + high) / 2
        is_above = _score(lost, won, n, middle) > z
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    return np.asarray((low + high) / 2)


def _score(lost: np.ndarray, won: np.ndarray, n: np.ndarray, difference: np.ndarray) -> np.ndarray:
    b = -won - lost + (2 * n - won + lost) * difference
    c = -lost * difference * (1 - difference)
    share = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    deviation = won - lost - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        score = deviation / np.sqrt(np.maximum(variance, 0.0))
        limit = np.where(deviation == 0, 0.0, np.sign(deviation) * np.inf)
    return np.asarray(np.where(variance > 1e-12 * n, score, limit))


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.asarray(logs[n] - logs[k] - logs[n - k])
