"""Control charts: from raw effects to scores that are independent standard normal while nothing drifts.

A chart is fitted on the reference windows (`monitor.drift.model.fitting`): mean, season, autocorrelation, remaining
dependence (a variance ratio) and tails. `step` turns one window's effects into normal scores.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers
from monitor.drift.model import kalman_filter
from monitor.drift.model.autocorrelation import Autocorrelation
from monitor.drift.model.kalman_filter import KalmanState
from monitor.drift.model.location_coupling import LocationCoupling
from monitor.drift.model.season import Season
from monitor.drift.model.tails import Tails

# By family (location, spread, shape, decile, label, missing, all columns, relation): the cap on a window's score, for
# the first window of a run and for the next ones. A shock in the autocorrelated effect lasts for some windows and
# fades; if the filter does not follow it, a few windows must not be enough for an alarm.
SCORE_CAPS = np.array(
    [[4.0, 4.0], [3.0, 3.5], [2.5, 2.5], [2.5, 2.5], [2.5, 2.5], [3.0, 4.0], [2.0, 2.0], [2.5, 2.5]]
)


@dataclass(frozen=True, slots=True, eq=False)
class Charts:
    """The fitted parameters of all charts; arrays of shape (charts,).

    `tolerated` is the effect that is ignored. `inflation` divides errors. `dependence` is the part of it, at least
    1, by which sums of errors over days vary more than single ones: what is judged by one window alone is judged
    without it. `largest` is the largest absolute error in the reference. `typical_rows` is the mean number of rows
    per window. `effect_sizes` (charts, SIZES) are the alternatives for which evidence is collected. `tail_shape` is
    the Pareto shape of the family's tail (see `kalman_filter`).
    """

    family: Integers
    coupling: LocationCoupling
    mean: Floats
    season: Season
    autocorrelation: Autocorrelation
    inflation: Floats
    dependence: Floats
    tails: Tails
    tolerated: Floats
    largest: Floats
    typical_rows: Floats
    effect_sizes: Floats
    tail_shape: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One window on every chart: deviation from mean and season, error in standard deviations, normal score, margin.

    `response` (charts, AGES) is the shift of this window's error, in standard deviations, by a drift of size one that
    began 0, 1, 2, ... windows ago. It falls with age, because the filter follows a drift as it follows the
    autocorrelated effect. `margin` is the score of a drift of the tolerated size.
    """

    deviation: Floats
    error: Floats
    score: Floats
    margin: Floats
    response: Floats
    rows: Floats

    @property
    def moved(self) -> Floats:
        """How far the effect is from where the windows before let expect it (charts,)."""
        expected = np.where(self.response[:, 0] > 0, self.response[:, 0], 1.0)
        return np.asarray(self.error / expected)

    @property
    def observed(self) -> np.ndarray:
        """Charts with rows."""
        return np.asarray(self.rows > 0)


def step(
    charts: Charts, state: KalmanState, effects: Floats, rows: Floats, cell: int, gap: float
) -> tuple[KalmanState, Scored]:
    """Score one window that starts `gap` windows after the one before; charts with 0 rows are not observed.

    `effects` and `rows` are (charts,); `cell` is the window's cell of the season.
    """
    observed = rows > 0
    extra = charts.season.variance[cell] + charts.coupling.extra_variance(effects)
    effects = charts.coupling.remove(effects, rows)
    rows = charts.season.weighed(rows, cell)
    centred = np.where(observed, effects - charts.mean, 0.0)
    state, deviation, error, response = kalman_filter.update(
        state, charts.autocorrelation, charts.season, cell, centred, rows, extra, gap, charts.inflation,
        charts.tail_shape,
    )  # fmt: skip
    score = charts.tails.normal(error, charts.family)
    return state, Scored(deviation, error, score, charts.tolerated * response[:, -1], response, rows)


def lambdas(charts: Charts, scored: Scored) -> Floats:
    """Return lambda, the expected shift of the error, for each age and size of a drift: (AGES, charts, SIZES)."""
    return np.asarray(scored.response.T[:, :, None] * charts.effect_sizes)


def score_caps(charts: Charts) -> Floats:
    """Return the caps on a score in the first window of a run and in the next ones: (charts, 2)."""
    return np.asarray(SCORE_CAPS[charts.family])
