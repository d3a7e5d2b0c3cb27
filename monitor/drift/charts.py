"""Calibrated charts: from raw effects to scores that behave like independent standard normals while nothing drifts.

Fitted on the reference windows (`monitor.drift.fitting`): overall mean, season, wander, leftover dependence (a variance
ratio) and tails. A step takes one window's effects to normal scores, and to the score that a just tolerable drift would
have now: the margin.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift import wander
from monitor.drift.bend import Bend
from monitor.drift.columns import Floats, Integers
from monitor.drift.season import Season
from monitor.drift.tails import Tails
from monitor.drift.wander import Wander

# Ages of a drift that are told apart: begun now, one window ago, two, and longer.
AGES = 4

# By family (location, spread, shape, tenths, labels, missing, all columns): the most that one window's score counts
# for, at first and in a row. A rare shock in what wanders stays for some windows and fades; where the filter does not
# follow it, no few windows may suffice.
BOUNDS = np.array([[4.0, 4.0], [3.0, 3.5], [2.5, 2.5], [2.5, 2.5], [2.5, 2.5], [3.0, 4.0], [2.0, 2.0]])


@dataclass(frozen=True, slots=True, eq=False)
class Charts:
    """What the reference says about each chart; arrays of shape (charts,).

    `tolerated` is the effect that never counts; `inflation` divides errors; `largest` is the largest error, in size,
    that the reference itself showed; `typical_rows` is the mean number of rows behind the chart in a window. `bets`
    (charts, SIZES) are the sizes of drift that evidence is collected for; `heaviness` is the shape of the
    tail, by which a large error is taken for a shock.
    """

    family: Integers
    bend: Bend
    mean: Floats
    season: Season
    wander: Wander
    inflation: Floats
    tails: Tails
    tolerated: Floats
    largest: Floats
    typical_rows: Floats
    bets: Floats
    heaviness: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Where the wander stands: its mean and variance, and how much of a step that began 0, 1, 2, ... windows ago it
    has come to follow (charts, AGES); the last of them began long ago.
    """

    level: Floats
    spread: Floats
    followed: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One window on every chart: deviation from the season, error in standard deviations, normal score, margin.

    `response` (charts, AGES) is by how many standard deviations a drift of size one that began 0, 1, 2, ... windows
    ago moves this window's error: the filter follows a drift as it follows any wander, so that its first windows say
    most.
    """

    deviation: Floats
    error: Floats
    score: Floats
    margin: Floats
    response: Floats
    rows: Floats

    @property
    def observed(self) -> np.ndarray:
        """Charts with rows."""
        return np.asarray(self.rows > 0)


def begin(charts: Charts) -> Filter:
    """The filter before the first window."""
    followed = np.zeros((charts.mean.size, AGES))
    return Filter(np.zeros_like(charts.mean), charts.wander.power.copy(), followed)


def step(
    charts: Charts, state: Filter, effects: Floats, rows: Floats, cell: int, gap: float
) -> tuple[Filter, Scored]:
    """One window that starts `gap` windows after the one before; charts with 0 rows were not observed."""
    observed = rows > 0
    extra = charts.season.variance[cell] + charts.bend.doubt(effects)
    effects = charts.bend.straight(effects, rows)
    deviation = np.where(observed, effects - charts.mean - charts.season.offset[cell], 0.0)
    state, error, response = _follow(charts, state, deviation, rows, extra, gap)
    score = charts.tails.normal(error, charts.family)
    return state, Scored(deviation, error, score, charts.tolerated * response[:, -1], response, rows)


def _follow(
    charts: Charts, state: Filter, deviation: Floats, rows: Floats, extra: Floats, gap: float
) -> tuple[Filter, Floats, Floats]:
    observed = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed)
    forecast, before = wander.predict(state.level, state.spread, charts.wander, np.full_like(noise, gap))
    expected = state.followed * (charts.wander.memory**gap)[:, None]
    deviates = np.sqrt(np.maximum(before + noise + extra, 1e-300)) * charts.inflation
    error = np.where(observed, (deviation - forecast) / deviates, 0.0)
    before = before * wander.surprise(error, charts.heaviness)
    gain = np.where(observed & (before + noise > 0), before / np.maximum(before + noise, 1e-300), 0.0)
    response = np.where(observed[:, None], (1 - expected) / deviates[:, None], 0.0)
    level = forecast + gain * np.where(observed, deviation - forecast, 0.0)
    return Filter(level, before * (1 - gain), _older(expected, gain, observed)), error, response


def _older(expected: Floats, gain: Floats, observed: np.ndarray) -> Floats:
    """What is followed after this window: each step is one window older where there was one."""
    after = expected + gain[:, None] * (1 - expected)
    aged = np.concatenate([np.zeros_like(after[:, :1]), after[:, : AGES - 2], after[:, -1:]], axis=1)
    return np.where(observed[:, None], aged, expected)


def stakes(charts: Charts, scored: Scored) -> Floats:
    """What is staked on each size and age of a drift in this window: (AGES, charts, SIZES)."""
    return np.asarray(scored.response.T[:, :, None] * charts.bets)


def bounds(charts: Charts) -> Floats:
    """The most that a score counts for, in a first window and in the next ones: (charts, 2)."""
    return np.asarray(BOUNDS[charts.family])
