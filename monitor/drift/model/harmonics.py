"""The daily season as a sum of waves, which is estimated better than hour by hour.

Hour means over a few weeks are uncertain, and their errors are correlated between neighbouring hours. So each kind of
day is decomposed into its level and twelve waves. The uncertainty of a wave comes from its variation between days, its
expected strength from the chart and the others of its family. Each wave is shrunk by both (empirical Bayes): a smooth
season keeps its long waves without the noise of the short ones, and a season with steps keeps the short ones too.
"""

import numpy as np

from monitor.drift.columns import Floats, Integers

HOURS = 24
LEAST_DAYS = 3

# The part of a wave's expected strength that comes from the chart's family; the rest is equal for all waves.
COMMON = 0.8


def _basis() -> tuple[Floats, Integers]:
    """Orthonormal waves over the hours (waves, hours), and their frequencies per day (waves,)."""
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
    """Offsets and their variance, both (blocks * 24, charts), from windows (windows, charts).

    `day` is the day of each window, `place` its hour within its kind of day, of which there are `blocks`. None if a
    kind of day has fewer than three days, or an hour has no window.
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
    """Effects by day and hour (days, 24, charts); unobserved hours get the mean of that hour on other days."""
    shape = (int(day.max()) + 1, HOURS, effects.shape[1])
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (day, hour), np.where(observed, effects, 0.0))
    np.add.at(count, (day, hour), observed.astype(float))
    usual = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1.0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), usual))


def _alike(power: Floats) -> Floats:
    """The mean over sine and cosine, because both waves of one frequency have one strength (waves, charts)."""
    sums = np.zeros((int(OFTEN.max()) + 1, power.shape[1]))
    np.add.at(sums, OFTEN, power)
    return np.asarray((sums / np.bincount(OFTEN)[:, None])[OFTEN])


def _strength(coefficient: Floats, error: Floats, family: Integers) -> Floats:
    """The expected square of each wave (waves, charts): the chart's own total, distributed as in its family."""
    total_power = np.maximum((coefficient**2 - error).mean(axis=0), 0.0)
    total = np.maximum((coefficient**2 - error).mean(axis=0).sum(axis=0), 0.0)
    shape = np.full_like(total_power, 1 / len(total_power))
    for index in np.unique(family):
        chosen = family == index
        common = _alike(total_power[:, chosen].sum(axis=1, keepdims=True))[:, 0]
        if common.sum() > 0:
            shape[:, chosen] = (COMMON * common / common.sum() + (1 - COMMON) / len(total_power))[:, None]
    return np.asarray(shape * total)
