"""Autocorrelated variation between windows: a random effect per chart, modelled as AR(1).

The deviation of a chart in window t is r_t = a_t + noise. The noise has variance 1/n_t; a_t is a stationary
autoregression of order one with variance `variance` and `correlation` from one window to the next. Without this effect,
every deviation would be significant in large windows. Laney's p' chart is the same model without correlation. The
effect is tracked by `kalman_filter`; this module fits its parameters.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

CORRELATIONS = np.array([0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
VARIANCES = np.array([0.0, 0.05, 0.15, 0.35, 0.7, 1.5, 3.0, 6.0, 15.0, 40.0])

# EM steps for the common prior, and the weight of its flat part in charts.
ROUNDS, FLAT = 4, 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Autocorrelation:
    """The AR(1) parameters of each chart; arrays of shape (charts,). `variance` is that of the stationary process."""

    correlation: Floats
    variance: Floats

    def long_run_variance(self) -> Floats:
        """Return the variance of the mean of many windows, times their number: variance (1 + rho) / (1 - rho)."""
        return self.variance * (1 + self.correlation) / (1 - self.correlation)


def fit(
    deviations: Floats, rows: Floats, gaps: Floats, family: Integers, counted: Floats | None = None
) -> Autocorrelation:
    """Return the posterior mean over a grid of parameters for each chart.

    `deviations` and `rows` are (windows, charts); 0 rows mean "not observed". `counted` are the rows before those of
    unsteady hours were weighed. `gaps` (windows,) is the distance
    from the window before, in windows. The prior is shared by the charts of a `family` (charts,): one chart alone does
    not
    identify the correlation if its variance is below that of the noise. Charts are processed in blocks of 256, so that
    the grid's arrays stay small.
    """
    charts, noise = deviations.shape[1], _mean_noise(rows if counted is None else counted)
    deviance = np.empty((len(CORRELATIONS) * len(VARIANCES), charts))
    for first in range(0, charts, 256):
        part = slice(first, first + 256)
        deviance[:, part] = _deviances(deviations[:, part], rows[:, part], gaps, noise[part])
    likelihood = np.exp(-0.5 * (deviance - deviance.min(axis=0)))
    # Constant charts do not enter the prior of the others.
    varying = deviations.any(axis=0)
    for index in np.unique(family):
        members = (family == index) & varying
        likelihood[:, members] = _pooled(likelihood[:, members])
    correlation, variance = _grid()
    likelihood /= likelihood.sum(axis=0)
    return Autocorrelation(likelihood.T @ correlation, (likelihood.T @ variance) * noise)


def _pooled(likelihood: Floats) -> Floats:
    """Posteriors (grid, charts) under the prior that fits all of them best, with a flat one of some charts' weight."""
    prior = np.full(len(likelihood), 1 / len(likelihood))
    for _ in range(ROUNDS):
        posterior = likelihood * prior[:, None]
        posterior /= posterior.sum(axis=0)
        prior = (posterior.sum(axis=1) + FLAT / len(likelihood)) / (posterior.shape[1] + FLAT)
    return np.asarray(posterior)


def _grid() -> tuple[Floats, Floats]:
    """Return correlation and variance (in noise variances) of each point of the grid."""
    return np.repeat(CORRELATIONS, len(VARIANCES)), np.tile(VARIANCES, len(CORRELATIONS))


def _mean_noise(rows: Floats) -> Floats:
    """The mean noise variance of each chart."""
    seen = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=seen)
    return np.asarray(noise.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))


def _deviances(deviations: Floats, rows: Floats, gaps: Floats, mean_noise: Floats) -> Floats:
    """Twice the negative log likelihood of each point of the grid: (grid, charts)."""
    seen = rows > 0
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=seen)
    correlation, variance = (side[:, None] for side in _grid())
    variance = variance * mean_noise
    mean, between = np.zeros_like(variance), variance.copy()
    deviance = np.zeros_like(variance)
    usual = (correlation, correlation**2, variance * (1 - correlation**2))
    for t, some in enumerate(seen):
        kept = correlation if gaps[t] == 1 else correlation ** gaps[t]
        squared, fresh = usual[1:] if gaps[t] == 1 else (kept**2, variance * (1 - kept**2))
        mean *= kept
        between *= squared
        between += fresh
        total = between + noise[t]
        error = deviations[t] - mean
        if not some.all():
            total[:, ~some], error[:, ~some] = 1.0, 0.0
        gain = between / total
        if not some.all():
            gain[:, ~some] = 0.0
        mean += gain * error
        between *= 1 - gain
        error *= error
        error /= total
        error += np.log(total)
        deviance += error
    return deviance
