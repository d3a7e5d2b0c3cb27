"""Kalman filter of the autocorrelated variation between windows (`autocorrelation`), one scalar filter per chart.

State equation a_t = rho a_(t-1) + w_t, observation r_t = a_t + v_t with Var v_t = 1/n_t (Kalman 1960). The standardised
innovations are the errors that `control_charts` scores.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.model import amplitude
from monitor.drift.model.amplitude import Amplitude
from monitor.drift.model.autocorrelation import Autocorrelation
from monitor.drift.model.season import Season

AGES = 4
"""Ages of a drift that are distinguished: it began in this window, one window ago, two, and earlier."""

SHOCK = 3.0
"""A larger error, in standard deviations, is a shock of the process if tails are heavy."""
HEAVY = 0.1
"""The tail shape from which a shock counts in full."""
MOST = 3.0
"""The largest factor by which a shock multiplies the variance: it may be a drift, which must not be absorbed."""


@dataclass(frozen=True, slots=True, eq=False)
class KalmanState:
    """The filtered state: `mean` and `variance` (charts,) of the effect, and `absorbed` (charts, AGES).

    `absorbed` is the fraction of a step that the filter has absorbed if the step began 0, 1, 2, ... windows ago; the
    last column is for all earlier ones. `amplitude` is that of the season.
    """

    mean: Floats
    variance: Floats
    absorbed: Floats
    amplitude: Amplitude


def begin(parameters: Autocorrelation, season: Season) -> KalmanState:
    """Return the stationary distribution, the state before the first window."""
    charts = parameters.variance.size
    factor = amplitude.begin(season.factor, season.change)
    return KalmanState(np.zeros(charts), parameters.variance.copy(), np.zeros((charts, AGES)), factor)


def predict(
    mean: Floats, variance: Floats, parameters: Autocorrelation, gap: Floats
) -> tuple[Floats, Floats]:
    """Return mean and variance of the effect `gap` windows later, all of shape (charts,)."""
    decay = parameters.correlation**gap
    return mean * decay, variance * decay**2 + parameters.variance * (1 - decay**2)


def shock_factor(error: Floats, tail_shape: Floats) -> Floats:
    """Return the factor by which an error of this size multiplies the predicted variance, 1 to `MOST`.

    Sampling noise has normal tails; an error beyond `SHOCK` in a chart with heavy tails is a shock of the process. The
    filter follows it at once, whatever the number of rows, so a shock that fades gives one large error only.
    `tail_shape` is the shape of the Pareto tail (0 is normal).
    """
    beyond = np.clip((error / SHOCK) ** 2, 1.0, MOST) - 1
    return np.asarray(1 + beyond * np.minimum(tail_shape / HEAVY, 1.0))


def update(
    state: KalmanState,
    parameters: Autocorrelation,
    season: Season,
    cell: int,
    centred: Floats,
    rows: Floats,
    extra: Floats,
    gap: float,
    inflation: Floats,
    tail_shape: Floats,
) -> tuple[KalmanState, Floats, Floats, Floats]:
    """Filter one window of the season's `cell`; return the new state, the deviations and errors (charts,) and the
    responses (charts, AGES).

    `centred` are the effects without their mean. `extra` is added to the variance of the error but not to the gain:
    uncertainty of the season and of the coupling.
    """
    observed = rows > 0
    factor, offset = amplitude.predict(state.amplitude, season.change, gap), season.offset[cell]
    deviation = np.where(observed, centred - factor.factor * offset, 0.0)
    extra = extra + factor.variance * offset**2
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed)
    forecast, before = predict(state.mean, state.variance, parameters, np.full_like(noise, gap))
    expected = state.absorbed * (parameters.correlation**gap)[:, None]
    deviates = np.sqrt(np.maximum(before + noise + extra, 1e-300)) * inflation
    error = np.where(observed, (deviation - forecast) / deviates, 0.0)
    before = before * shock_factor(error, tail_shape)
    gain = np.where(observed & (before + noise > 0), before / np.maximum(before + noise, 1e-300), 0.0)
    response = np.where(observed[:, None], (1 - expected) / deviates[:, None], 0.0)
    mean = forecast + gain * np.where(observed, deviation - forecast, 0.0)
    after = amplitude.update(factor, offset, error, deviates)
    filtered = KalmanState(mean, before * (1 - gain), _aged(expected, gain, observed), after)
    return filtered, deviation, error, response


def _aged(expected: Floats, gain: Floats, observed: np.ndarray) -> Floats:
    """Return the absorbed fractions after a window (charts, AGES): each step is one window older if there was one."""
    after = expected + gain[:, None] * (1 - expected)
    aged = np.concatenate([np.zeros_like(after[:, :1]), after[:, : AGES - 2], after[:, -1:]], axis=1)
    return np.where(observed[:, None], aged, expected)
