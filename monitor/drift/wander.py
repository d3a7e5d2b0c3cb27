"""Wandering between windows: a random effect with autocorrelation, followed by a Kalman filter.

A chart's deviation is r_t = a_t + noise, with noise of variance 1/n_t and a_t a stationary autoregression of order
one with variance `power` and correlation `memory` over one window. Big windows make every deviation of their own
significant; this is what keeps them from doing so (Laney's p' chart is the same idea without memory).
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

MEMORIES = np.array([0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
POWERS = np.array([0.0, 0.05, 0.15, 0.35, 0.7, 1.5, 3.0, 6.0, 15.0, 40.0])

# How often the common prior is refined, and how many charts' weight its flat part has.
ROUNDS, FLAT = 4, 4.0

# An error of so many standard deviations is a shock where the tail's shape is at least heavy, and in part below.
SHOCK, HEAVY = 3.0, 0.1

# A shock multiplies the variance by at most this much: it may be a drift, which must not be followed whole.
MOST = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Wander:
    """One autoregression a chart; arrays of shape (charts,)."""

    memory: Floats
    power: Floats

    def long_run(self) -> Floats:
        """Variance of a long mean, times the number of windows in it."""
        return self.power * (1 + self.memory) / (1 - self.memory)


def predict(level: Floats, spread: Floats, wander: Wander, gap: Floats) -> tuple[Floats, Floats]:
    """The state `gap` windows later: mean and variance."""
    kept = wander.memory**gap
    return level * kept, spread * kept**2 + wander.power * (1 - kept**2)


def surprise(error: Floats, heaviness: Floats) -> Floats:
    """By how much an error of this size, in standard deviations, multiplies the variance of what wandered.

    Sampling noise never makes a large error; a rare shock of the wander does. Where tails are heavy, the filter takes
    an error beyond `SHOCK` for one and follows it at once, at any volume: a shock that fades is then told only once.
    `heaviness` is the shape of the tail (0 is normal).
    """
    beyond = np.clip((error / SHOCK) ** 2, 1.0, MOST) - 1
    return np.asarray(1 + beyond * np.minimum(heaviness / HEAVY, 1.0))


def fit(deviations: Floats, rows: Floats, gaps: Floats, family: Integers) -> Wander:
    """The posterior mean over a grid for each chart; `deviations` and `rows` are (windows, charts), 0 rows = unseen.

    The prior is what the charts of a family have in common: one chart alone tells its memory badly where its wander is
    no larger than its noise. Charts are taken in blocks, so that the grid's copies stay small.
    """
    charts = deviations.shape[1]
    loss = np.empty((len(MEMORIES) * len(POWERS), charts))
    for first in range(0, charts, 256):
        part = slice(first, first + 256)
        loss[:, part] = _losses(deviations[:, part], rows[:, part], gaps)
    likely = np.exp(-0.5 * (loss - loss.min(axis=0)))
    # What never moved says nothing about what does.
    alive = deviations.any(axis=0)
    for index in np.unique(family):
        chosen = (family == index) & alive
        likely[:, chosen] = _pooled(likely[:, chosen])
    memory, power = _grid()
    likely /= likely.sum(axis=0)
    return Wander(likely.T @ memory, (likely.T @ power) * _typical(rows))


def _pooled(likely: Floats) -> Floats:
    """Posteriors (grid, charts) under the prior that fits all of them best, with a flat one of some charts' weight."""
    prior = np.full(len(likely), 1 / len(likely))
    for _ in range(ROUNDS):
        posterior = likely * prior[:, None]
        posterior /= posterior.sum(axis=0)
        prior = (posterior.sum(axis=1) + FLAT / len(likely)) / (posterior.shape[1] + FLAT)
    return np.asarray(posterior)


def _grid() -> tuple[Floats, Floats]:
    """Memory and power (in noise variances) of each point of the grid."""
    return np.repeat(MEMORIES, len(POWERS)), np.tile(POWERS, len(MEMORIES))


def _typical(rows: Floats) -> Floats:
    """The mean noise variance of each chart."""
    seen = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=seen)
    return np.asarray(noise.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))


def _losses(deviations: Floats, rows: Floats, gaps: Floats) -> Floats:
    """Twice the negative log likelihood of each point of the grid: (grid, charts)."""
    seen = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=seen)
    memory, power = (side[:, None] for side in _grid())
    power = power * _typical(rows)
    level, spread = np.zeros_like(power), power.copy()
    loss = np.zeros_like(power)
    usual = (memory, memory**2, power * (1 - memory**2))
    for t, some in enumerate(seen):
        kept = memory if gaps[t] == 1 else memory ** gaps[t]
        squared, fresh = usual[1:] if gaps[t] == 1 else (kept**2, power * (1 - kept**2))
        level *= kept
        spread *= squared
        spread += fresh
        total = spread + noise[t]
        error = deviations[t] - level
        if not some.all():
            total[:, ~some], error[:, ~some] = 1.0, 0.0
        gain = spread / total
        if not some.all():
            gain[:, ~some] = 0.0
        level += gain * error
        spread *= 1 - gain
        error *= error
        error /= total
        error += np.log(total)
        loss += error
    return loss
