"""The effect of late: what says whether a change is still there.

A mean of each chart's deviations that forgets slowly where windows are small, so that it is known to a quarter of the
smallest effect that matters; and that begins anew with a window that contradicts it, so that the end of a large change
is seen at once (an adaptive exponential mean, as of Capizzi and Masarotto, 2003).
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.decision.e_detector import per_column
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.control_charts import Scored
from monitor.drift.model.scores import Family

RECENT_ROWS = 16.0  # over min_effect squared: rows after which a mean is known to a quarter of min_effect
SLOWEST, FASTEST = 1 / 24, 1 / 2

# All columns together are still moved while this part of their leading charts is.
MANY = 0.1

# A window that differs from the mean by so many standard deviations contradicts it.
CONTRADICTS = 3.5


@dataclass(frozen=True, slots=True, eq=False)
class CurrentEffect:
    """Mean deviation of late (charts,), over how many windows since it began anew (charts,), and the share of unseen
    values of late (columns,).
    """

    mean: Floats
    windows: Floats
    unseen: Floats


def begin(calibration: Calibration) -> CurrentEffect:
    """Before the first window."""
    zero = np.zeros(calibration.scores.charts)
    return CurrentEffect(zero, zero, np.zeros(len(calibration.columns)))


def advance(
    calibration: Calibration, before: CurrentEffect, scored: Scored, found: Floats, seen: Floats
) -> CurrentEffect:
    """Add one window; of each column `found` of `seen` rows held values that the reference never did."""
    least, rows = calibration.least, scored.rows
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=rows > 0)
    weight = _weight(rows, least)
    spread = noise + _usual_variance(calibration)
    contradicts = np.abs(scored.deviation - before.mean) > CONTRADICTS * np.sqrt(spread)
    windows = np.where(rows > 0, np.where(contradicts, 0.0, before.windows) + 1, before.windows)
    weight = np.where(windows > 0, np.maximum(weight, 1 / np.maximum(windows, 1.0)), weight) * (rows > 0)
    share = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    chance = np.sqrt(before.unseen * (1 - before.unseen) / np.maximum(seen, 1.0))
    gone = before.unseen - share > np.maximum(CONTRADICTS * chance, least**2)
    weigh = np.where(gone, 1.0, _weight(seen, least)) * (seen > 0)
    return CurrentEffect(
        before.mean + weight * (scored.deviation - before.mean),
        windows,
        before.unseen + weigh * (share - before.unseen),
    )


def is_small(calibration: Calibration, present: CurrentEffect, involved: np.ndarray) -> np.ndarray:
    """Is the effect of late below half of what matters, or below what wander and noise alone show? (columns + 1,)

    Only `involved` charts (charts,) speak for their columns: among all of a column's charts, one is always above. For
    all columns together, nine tenths of the locations and labels must be small.
    """
    scores = calibration.scores
    typical = np.maximum(calibration.charts.typical_rows, 1e-9)
    weight = np.maximum(_weight(typical, calibration.least), 1 / np.maximum(present.windows, 1.0))
    noise = weight / (2 - weight) / typical
    usual = 2 * np.sqrt(noise + _usual_variance(calibration))
    large = np.abs(present.mean) >= np.maximum(calibration.least / 2, usual)
    small = per_column((large & involved).astype(float), scores.column, len(calibration.columns)) == 0
    small &= present.unseen < calibration.least**2 / 2
    leading = (scores.family == Family.LOCATION) | (scores.family == Family.LEVEL)
    return np.append(small, not leading.any() or large[leading].mean() < MANY)


def _weight(rows: Floats, least: float) -> Floats:
    return np.clip(rows * least**2 / RECENT_ROWS, SLOWEST, FASTEST)


def _usual_variance(calibration: Calibration) -> Floats:
    return np.asarray(
        calibration.charts.autocorrelation.variance + calibration.charts.season.variance.mean(axis=0)
    )
