"""The paired bootstrap: intervals of figures that are functions of sums over items.

Items (or whole groups of items) are drawn with replacement, and both sides are computed from the same draw, so what is
hard for both cancels out. A draw is a row of weights: the sums of all draws are one product of matrices, for every
figure. Many items are first put into a few thousand blocks at random, and blocks are drawn: sums stay sums, so the
variance is the same, and a million items cost no more than a few thousand.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

DRAWS = 2000
MOST_UNITS = 2000
"""More items or groups than this are drawn in blocks."""
_AT_ONCE = 250
_NORMAL = NormalDist()
_MOST_UNDEFINED = 0.05
"""Up to this share of draws may have no value, such as those without a row of a class."""

Value = Callable[[np.ndarray], np.ndarray]
"""Sums of shape (..., k) to values of shape (...); NaN where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What is drawn: `codes` is the unit of each item, int64 (n,), and `weights` how often each draw has each unit,
    shape (draws, units).
    """

    codes: np.ndarray
    weights: np.ndarray

    @property
    def count(self) -> int:
        """The number of units."""
        return int(self.weights.shape[1])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sums per unit of values per item: (n,) to (units, 1), or (n, k) to (units, k)."""
        columns = values.reshape(len(self.codes), -1).T
        return np.stack([np.bincount(self.codes, column, self.count) for column in columns], axis=1)

    def counts(self, places: np.ndarray, size: int) -> np.ndarray:
        """How often each place (int, (n,)) occurs in each unit, shape (units, size); places outside of it do not
        count.
        """
        inside = (places >= 0) & (places < size)
        cells = np.bincount(self.codes[inside] * size + places[inside], minlength=self.count * size)
        return cells.reshape(self.count, size).astype(np.float64)

    def draw(self, sums: np.ndarray) -> np.ndarray:
        """The sums of each draw, shape (draws, k)."""
        parts = np.array_split(self.weights, max(1, len(self.weights) // _AT_ONCE))
        return np.concatenate([part.astype(np.float64) @ sums for part in parts])


def units_of(n: int, groups: np.ndarray | None, seed: int, draws: int = DRAWS) -> Units:
    """The units of n items: the items, their groups, or blocks of either."""
    rng = np.random.default_rng(seed)
    members = np.arange(n) if groups is None else groups
    count = int(members.max(initial=-1)) + 1
    if count > MOST_UNITS:
        blocks = np.arange(count) % MOST_UNITS
        rng.shuffle(blocks)
        members, count = blocks[members], MOST_UNITS
    weights = np.zeros((draws, count), np.float32)
    for start in range(0, draws, _AT_ONCE):
        rows = min(_AT_ONCE, draws - start)
        chosen = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        weights[start : start + rows] = np.bincount(chosen.ravel(), minlength=rows * count).reshape(
            rows, count
        )
    return Units(members, weights)


@dataclass(frozen=True, slots=True, eq=False)
class ResampledStatistic:
    """A statistic of all items, of each draw (draws,), and its acceleration: how its spread depends on its value."""

    observed: float
    draws: np.ndarray
    acceleration: float = 0.0

    @property
    def deviation(self) -> float:
        """The standard error."""
        scale = float(np.abs(self.draws).max())  # the squares of very large values would overflow
        return float((self.draws / scale).std(ddof=1)) * scale if scale > 0 else 0.0

    @property
    def bias(self) -> float:
        """The normal deviate of the share of draws below the observed value."""
        return _NORMAL.inv_cdf(_share_below(self.draws, self.observed))

    def bound(self, level: float) -> float:
        """The end of the interval below which the true value lies with probability `level` (BCa, Efron 1987)."""
        if self.draws.min() == self.draws.max():
            return self.observed
        bias = self.bias
        shifted = bias + _NORMAL.inv_cdf(level)
        scale = 1 - self.acceleration * shifted
        share = _NORMAL.cdf(bias + shifted / scale) if scale > 0 else float(shifted > 0)
        return float(np.quantile(self.draws, share))

    def p_below(self) -> float:
        """The p-value of a true value of at least 0: the level at which the upper bound reaches it."""
        lowest = 1 / (self.draws.size + 1)
        if self.draws.min() == self.draws.max():
            return lowest if self.observed < 0 else 1.0
        bias = self.bias
        deviate = _NORMAL.inv_cdf(_share_below(self.draws, 0.0)) - bias
        scale = 1 + self.acceleration * deviate
        if scale <= 0:
            return lowest if self.observed < 0 else 1.0
        return min(1.0, max(lowest, _NORMAL.cdf(bias - deviate / scale)))


def samples(
    units: Units, parts: np.ndarray, values: Sequence[Value], *, is_smooth: bool = True
) -> list[ResampledStatistic | None]:
    """The samples of statistics of the same sums `parts`, shape (units, k), from the same draws; None for one that has
    no value in too many draws.

    A statistic that is not smooth, such as a percentile, has no acceleration: leaving one unit out says nothing on it.
    """
    total, drawn = parts.sum(axis=0), units.draw(parts)
    return [_sample(value, total, drawn, parts if is_smooth else None) for value in values]


def _sample(
    value: Value, total: np.ndarray, drawn: np.ndarray, parts: np.ndarray | None
) -> ResampledStatistic | None:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        observed = float(value(total[None])[0])
        draws = value(drawn)
        without = np.empty(0) if parts is None else value(total - parts)
    defined = np.isfinite(draws)
    if not math.isfinite(observed) or (~defined).mean() > _MOST_UNDEFINED:
        return None
    return ResampledStatistic(observed, draws[defined], _acceleration(without[np.isfinite(without)]))


def _acceleration(without: np.ndarray) -> float:
    """From the values without each unit (jackknife)."""
    if without.size < 2:
        return 0.0
    gaps = without.mean() - without
    scale = float(np.abs(gaps).max())
    if scale <= 0.0 or scale < 1e-12 * abs(float(without.mean())):
        return 0.0
    gaps = gaps / scale
    return float((gaps**3).sum() / (6.0 * (gaps**2).sum() ** 1.5))


def _share_below(draws: np.ndarray, value: float) -> float:
    """The share of draws below a value, those equal to it counted half; never 0 or 1."""
    below = np.count_nonzero(draws < value) + np.count_nonzero(draws == value) / 2
    least = 0.5 / draws.size
    return float(min(max(below / draws.size, least), 1 - least))
