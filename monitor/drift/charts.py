"""Calibrated charts: from raw effects to scores that behave like independent standard normals while nothing drifts.

Fitted on the reference windows: overall mean, season, wander, leftover dependence (a variance ratio) and tails. A step
takes one window's effects to normal scores, and to the score that a just tolerable drift would have now: the margin.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift import season, tails, wander
from monitor.drift.columns import Floats, Integers
from monitor.drift.season import Season
from monitor.drift.tails import Tails
from monitor.drift.wander import Wander

DAY = 24


@dataclass(frozen=True, slots=True, eq=False)
class Charts:
    """What the reference says about each chart; arrays of shape (charts,).

    `tolerated` is the effect that never counts; `inflation` divides errors; `largest` is the largest error, in size,
    that the reference itself showed; `typical_rows` is the mean number of rows behind the chart in a window.
    """

    family: Integers
    mean: Floats
    season: Season
    wander: Wander
    inflation: Floats
    tails: Tails
    tolerated: Floats
    largest: Floats
    typical_rows: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Where the wander stands: its mean and variance, and the same filter run on a drift of the tolerated size."""

    level: Floats
    spread: Floats
    margin: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One window on every chart: deviation from the season, error in standard deviations, normal score, margin."""

    deviation: Floats
    error: Floats
    score: Floats
    margin: Floats
    rows: Floats

    @property
    def observed(self) -> np.ndarray:
        """Charts with rows."""
        return np.asarray(self.rows > 0)


def begin(charts: Charts) -> Filter:
    """The filter before the first window."""
    zero = np.zeros_like(charts.mean)
    return Filter(zero, charts.wander.power.copy(), zero)


def step(
    charts: Charts, state: Filter, effects: Floats, rows: Floats, cell: int, gap: float
) -> tuple[Filter, Scored]:
    """One window that starts `gap` windows after the one before; charts with 0 rows were not observed."""
    observed = rows > 0
    deviation = np.where(observed, effects - charts.mean - charts.season.offset[cell], 0.0)
    state, error, lag = _follow(charts, state, deviation, rows, charts.season.variance[cell], gap)
    score = charts.tails.normal(error, charts.family)
    return state, Scored(deviation, error, score, lag, rows)


def _follow(
    charts: Charts, state: Filter, deviation: Floats, rows: Floats, extra: Floats, gap: float
) -> tuple[Filter, Floats, Floats]:
    observed = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed)
    forecast, before = wander.predict(state.level, state.spread, charts.wander, np.full_like(noise, gap))
    expected = state.margin * charts.wander.memory**gap
    deviates = np.sqrt(np.maximum(before + noise + extra, 1e-300)) * charts.inflation
    gain = np.where(observed & (before + noise > 0), before / np.maximum(before + noise, 1e-300), 0.0)
    error = np.where(observed, (deviation - forecast) / deviates, 0.0)
    lag = np.where(observed, (charts.tolerated - expected) / deviates, 0.0)
    moved = Filter(
        forecast + gain * np.where(observed, deviation - forecast, 0.0),
        before * (1 - gain),
        expected + gain * np.where(observed, charts.tolerated - expected, 0.0),
    )
    return moved, error, lag


def fit(
    effects: Floats,
    rows: Floats,
    where: Integers,
    kind: str,
    zone: str,
    gaps: Floats,
    family: Integers,
    least: Floats,
) -> Charts:
    """Charts from reference windows: `effects` and `rows` are (windows, charts), `where` the cells, `gaps` the
    distance of each window from the one before in windows, `least` the smallest effect that matters on each chart.
    """
    observed = rows > 0
    total = np.maximum(rows.sum(axis=0), 1e-9)
    mean = (effects * rows).sum(axis=0) / total
    centred = np.where(observed, effects - mean, 0.0)
    pattern = season.fit(centred, observed, where, kind, zone)
    deviations = np.where(observed, centred - pattern.offset[where], 0.0)
    walk = wander.fit(deviations, rows, gaps)
    seen = np.maximum(observed.sum(axis=0), 1)
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed).sum(axis=0) / seen
    tolerated = least / 4 + np.sqrt((noise + walk.long_run()) / seen)
    one = np.ones_like(mean)
    plain = Charts(
        family,
        mean,
        pattern,
        walk,
        one,
        tails.fit(effects[:0], observed[:0], family, int(family.max()) + 1),
        tolerated,
        one,
        total / seen,
    )
    errors = replay(plain, effects, rows, where, gaps)[0]
    inflation = _inflation(errors, observed)
    errors = errors / inflation
    return Charts(
        family=family,
        mean=mean,
        season=pattern,
        wander=walk,
        inflation=inflation,
        tails=tails.fit(errors, observed, family, int(family.max()) + 1),
        tolerated=tolerated,
        largest=np.abs(errors).max(axis=0),
        typical_rows=total / seen,
    )


def replay(
    charts: Charts, effects: Floats, rows: Floats, where: Integers, gaps: Floats
) -> tuple[Floats, Floats]:
    """Errors and margins of a row of windows, both (windows, charts)."""
    state = begin(charts)
    errors, margins = np.zeros_like(effects), np.zeros_like(effects)
    for t in range(len(effects)):
        state, scored = step(charts, state, effects[t], rows[t], int(where[t]), float(gaps[t]))
        errors[t], margins[t] = scored.error, scored.margin
    return errors, margins


def _inflation(errors: Floats, observed: np.ndarray) -> Floats:
    """What dependence is left: the variance of single errors or of sums over 24 windows, half each chart's own and
    half the mean of all, never below one.
    """
    ratio = (errors**2).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    blocks = len(errors) // DAY
    if blocks >= DAY // 2:
        sums = errors[: blocks * DAY].reshape(blocks, DAY, -1).sum(axis=1)
        counts = observed[: blocks * DAY].reshape(blocks, DAY, -1).sum(axis=1)
        ratio = np.maximum(ratio, (sums**2).sum(axis=0) / np.maximum(counts.sum(axis=0), 1))
    return np.asarray(np.sqrt(np.maximum(1.0, 0.5 * ratio + 0.5 * ratio.mean())))
