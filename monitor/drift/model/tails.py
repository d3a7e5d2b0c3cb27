"""The tails: how often errors of a given size occur.

Standardized errors of all charts of a family are pooled over the reference. Beyond their 99th percentile, a generalized
Pareto distribution (probability-weighted moments) gives their probability. The result is a normal score that is never
more extreme than the error itself.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from monitor.drift.columns import Floats, Integers

LEVEL = 0.99
NORMAL = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2)
ENOUGH = 30


@dataclass(frozen=True, slots=True, eq=False)
class Tails:
    """Threshold, scale and shape of each family's tail, shape (families,)."""

    threshold: Floats
    scale: Floats
    shape: Floats

    def normal(self, errors: Floats, family: Integers) -> Floats:
        """The normal scores of standardized errors."""
        size = np.abs(errors)
        families = np.broadcast_to(family, size.shape)
        scores = size * (NORMAL / self.threshold[families])
        is_far = size > self.threshold[families]
        of = families[is_far]
        scores[is_far] = _far((size[is_far] - self.threshold[of]) / self.scale[of], self.shape[of])
        return np.asarray(np.sign(errors) * np.minimum(size, scores))


def fit(errors: Floats, observed: np.ndarray, family: Integers, families: int) -> Tails:
    """The tails of pooled `errors` (windows, charts). A family with too few errors keeps the normal tail.

    Charts without any error, as those of a constant column, say nothing about others.
    """
    threshold, scale, shape = np.full(families, NORMAL), np.full(families, 0.35), np.zeros(families)
    varies = errors.any(axis=0)
    for index in range(families):
        chosen = (family == index) & varies
        pooled = np.abs(errors[:, chosen][observed[:, chosen]])
        limit = max(float(np.quantile(pooled, LEVEL)), NORMAL) if pooled.size else NORMAL
        excess = np.sort(pooled[pooled > limit] - limit)
        threshold[index] = limit
        if excess.size >= ENOUGH:
            scale[index], shape[index] = _pareto(excess)
    return Tails(threshold, scale, shape)


def _far(beyond: Floats, shape: Floats) -> Floats:
    """The normal scores of errors that exceed the threshold by `beyond` scales, by a Pareto tail."""
    safe = np.maximum(shape, 1e-9)
    log_rest = np.where(shape > 1e-9, -np.log1p(safe * beyond) / safe, -beyond)
    chance = (1 - LEVEL) * np.exp(np.maximum(log_rest, -600.0))
    return -np.array([NormalDist().inv_cdf(one / 2) for one in np.maximum(chance, 1e-280).tolist()])


def _pareto(excess: Floats) -> tuple[float, float]:
    """Scale and shape by probability-weighted moments (Hosking and Wallis 1987), with the shape limited to [0, 0.5]."""
    size = excess.size
    first = float(excess.mean())
    second = float((excess * (1 - (np.arange(1, size + 1) - 0.35) / size)).mean())
    shape = 2 - first / max(first - 2 * second, 1e-12)
    shape = min(max(shape, 0.0), 0.5)
    return max(first * (1 - shape), 1e-6), shape
