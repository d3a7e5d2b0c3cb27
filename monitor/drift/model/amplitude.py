"""The amplitude of the season, which may change slowly: a factor per chart, followed by a scalar Kalman filter.

The deviation of a chart in window t is r_t = b_t s_t + a_t + noise, where s_t is the offset of the season's cell. The
factor b_t is a random walk that begins at 1. It follows what lasts for days: a season that grows in a month is usual,
and a shift moves the factor up in one half of the day and down in the other.
"""

from dataclasses import dataclass

import numpy as np

from monitor.config.units import DAY
from monitor.drift.columns import Floats

_STEP = 0.03
"""Standard deviation of the change of the factor in a day."""
_FIRST, _MOST = 0.1, 0.25
"""Standard deviation of the factor before the first window, and after any gap."""
_CLIP = 2.0
"""Errors beyond as many standard deviations move the factor no further: they may be a drift."""


@dataclass(frozen=True, slots=True, eq=False)
class Amplitude:
    """The factor and its variance, both (charts,)."""

    factor: Floats
    variance: Floats


def step(seconds: int) -> float:
    """The variance of the change of the factor from one window to the next."""
    return _STEP**2 * seconds / DAY


def begin(factor: Floats, change: float) -> Amplitude:
    """The state before the first window; a factor that does not `change` (see `step`) is known."""
    return Amplitude(factor.copy(), np.full_like(factor, _FIRST**2 if change else 0.0))


def predict(before: Amplitude, change: float, gap: float) -> Amplitude:
    """The state `gap` windows later."""
    if not change:
        return before
    return Amplitude(before.factor, np.minimum(before.variance + change * gap, _MOST**2))


def update(predicted: Amplitude, offset: Floats, error: Floats, deviates: Floats) -> Amplitude:
    """The state after a window whose `error` is in units of `deviates`, the standard deviation of the forecast; 0 for
    charts without rows.
    """
    gain = predicted.variance * offset / deviates
    moved = predicted.factor + gain * np.clip(error, -_CLIP, _CLIP)
    left = predicted.variance - np.where(error != 0, gain**2, 0.0)
    return Amplitude(np.maximum(moved, 0.0), np.maximum(left, 0.0))
