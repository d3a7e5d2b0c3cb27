"""The hours of a day as a sum of waves: a season that is known better than hour by hour.

Hour means over a few weeks are uncertain, and their errors are alike in neighbouring hours, because what wanders does
not jump. So each kind of day is taken apart into its level and twelve waves. How uncertain a wave is, its spread from
day to day tells; how strong waves of that length are, the chart and all others of its kind tell together. Each is
shrunk by both (empirical Bayes): a smooth season keeps its long waves and loses the noise of the short ones, one with
corners keeps what it needs.
"""

import numpy as np

from monitor.drift.columns import Floats, Integers

HOURS = 24
LEAST_DAYS = 3

# How much of a wave's expected strength is told by the chart's family; the rest is spread over all waves alike.
COMMON = 0.8


def _basis() -> tuple[Floats, Integers]:
    """Orthonormal waves over the hours, (waves, hours), and how often each goes up and down a day."""
    hour = np.arange(HOURS)
    rows, often = [np.full(HOURS, 1.0)], [0]
    for k in range(1, HOURS // 2 + 1):
        angle = 2 * np.pi * k * hour / HOURS
        rows += [np.cos(angle)] if 2 * k == HOURS else [np.cos(angle), np.sin(angle)]
        often += [k] if 2 * k == HOURS else [k, k]
    waves = np.array(rows)
    return waves / np.sqrt((waves**2).sum(axis=1, keepdims=True)), np.array(often, dtype=np.int64)


WAVES, OFTEN = _basis()


def fit(
    effects: Floats,
    observed: np.ndarray,
    day: Integers,
    place: Integers,
    blocks: int,
    family: Integers,
) -> tuple[Floats, Floats] | None:
    """Offsets and their variance, (blocks * 24, charts), from windows (windows, charts). Of each window `day` is given
    and `place`, the hour of its kind of day, of which there are `blocks`. None where some kind of day has fewer than
    three days, or an hour without windows.
    """
    block, hour = place // HOURS, place % HOURS
    mean, doubt = [], []
    for one in range(blocks):
        inside = block == one
        days = np.unique(day[inside], return_inverse=True)[1]
        if days.size == 0 or days.max() + 1 < LEAST_DAYS or np.unique(hour[inside]).size < HOURS:
            return None
        grid = _grid(effects[inside], observed[inside], days, hour[inside])
        middle = grid.mean(axis=0)
        waves = np.einsum("kh,dhc->dkc", WAVES, grid - middle)
        count = len(grid)
        mean.append(np.einsum("kh,hc->kc", WAVES, middle))
        doubt.append(_alike((waves**2).sum(axis=0) / (count - 1) / count))
    coefficient: Floats = np.array(mean)
    error: Floats = np.array(doubt)
    expected: Floats = _strength(coefficient, error, family)
    keep = np.divide(expected, expected + error, out=np.zeros_like(error), where=expected + error > 0)
    offset = np.einsum("kh,bkc->bhc", WAVES, keep * coefficient)
    variance = np.einsum("kh,bkc->bhc", WAVES**2, keep * error)
    charts = effects.shape[1]
    return offset.reshape(-1, charts), variance.reshape(-1, charts)


def _grid(effects: Floats, observed: np.ndarray, day: Integers, hour: Integers) -> Floats:
    """LearningContext by day and hour (days, 24, charts); what was not observed is as that hour is on other days."""
    shape = (int(day.max()) + 1, HOURS, effects.shape[1])
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (day, hour), np.where(observed, effects, 0.0))
    np.add.at(count, (day, hour), observed.astype(float))
    usual = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1.0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), usual))


def _alike(power: Floats) -> Floats:
    """Waves of one length have one strength: the mean over sine and cosine, (waves, charts)."""
    sums = np.zeros((int(OFTEN.max()) + 1, power.shape[1]))
    np.add.at(sums, OFTEN, power)
    return np.asarray((sums / np.bincount(OFTEN)[:, None])[OFTEN])


def _strength(coefficient: Floats, error: Floats, family: Integers) -> Floats:
    """The expected square of each wave (waves, charts): the chart's own total, shared out as its family's is."""
    own = np.maximum((coefficient**2 - error).mean(axis=0), 0.0)
    total = np.maximum((coefficient**2 - error).mean(axis=0).sum(axis=0), 0.0)
    shape = np.full_like(own, 1 / len(own))
    for index in np.unique(family):
        chosen = family == index
        common = _alike(own[:, chosen].sum(axis=1, keepdims=True))[:, 0]
        if common.sum() > 0:
            shape[:, chosen] = (COMMON * common / common.sum() + (1 - COMMON) / len(own))[:, None]
    return np.asarray(shape * total)
