"""The current effect of each chart, from which an incident closes.

It is an adaptive exponentially weighted mean of the deviations (Capizzi and Masarotto 2003). It forgets slowly where
windows have few rows, so that it is known to a quarter of the smallest relevant effect, and restarts at a window that
contradicts it, so that the end of a large change is detected at once.
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

# All columns together count as changed while this share of their leading charts is.
MANY = 0.1

# A window that differs from the mean by this many standard deviations contradicts it.
CONTRADICTS = 3.5


@dataclass(frozen=True, slots=True, eq=False)
class CurrentEffect:
    """The weighted mean deviation (charts,), the number of windows since it restarted (charts,), and the recent share
    of values outside the reference (columns,).
    """

    mean: Floats
    windows: Floats
    unseen: Floats


def begin(calibration: Calibration) -> CurrentEffect:
    """The state before the first window."""
    zero = np.zeros(calibration.scores.charts)
    return CurrentEffect(zero, zero, np.zeros(len(calibration.columns)))


def advance(
    calibration: Calibration, before: CurrentEffect, scored: Scored, outside: Floats, seen: Floats
) -> CurrentEffect:
    """Add one window. In each column, `outside` of `seen` rows held values outside the reference."""
    least, rows = calibration.least, scored.rows
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=rows > 0)
    weight = _weight(rows, least)
    spread = noise + _usual_variance(calibration)
    contradicts = np.abs(scored.deviation - before.mean) > CONTRADICTS * np.sqrt(spread)
    windows = np.where(rows > 0, np.where(contradicts, 0.0, before.windows) + 1, before.windows)
    weight = np.where(windows > 0, np.maximum(weight, 1 / np.maximum(windows, 1.0)), weight) * (rows > 0)
    share = np.divide(outside, seen, out=np.zeros_like(outside), where=seen > 0)
    chance = np.sqrt(before.unseen * (1 - before.unseen) / np.maximum(seen, 1.0))
    dropped = before.unseen - share > np.maximum(CONTRADICTS * chance, least**2)
    weigh = np.where(dropped, 1.0, _weight(seen, least)) * (seen > 0)
    return CurrentEffect(
        before.mean + weight * (scored.deviation - before.mean),
        windows,
        before.unseen + weigh * (share - before.unseen),
    )


def joined(
    present: CurrentEffect, effect: Floats, share: Floats, dense_effect: Floats, *, together: bool
) -> CurrentEffect:
    """Begin with the `effect` (charts,) and the `share` of values outside the reference (columns,) with which columns
    join, where these are not 0: the mean itself may hardly have left zero. If all columns join `together`, the other
    charts begin with `dense_effect` (charts,).
    """
    begun = np.where((effect == 0) & together, dense_effect, effect)
    larger = np.abs(begun) > np.abs(present.mean)
    return CurrentEffect(
        np.where(larger, begun, present.mean), present.windows, np.maximum(present.unseen, share)
    )


def restarted(present: CurrentEffect, charts: np.ndarray, sums: Floats, rows: Floats) -> CurrentEffect:
    """Begin again in `charts`, bool (charts,), with the mean of `sums` over `rows` of their last windows: several
    windows together contradict the mean.
    """
    mean = np.divide(sums, rows, out=present.mean.copy(), where=charts & (rows > 0))
    return CurrentEffect(mean, np.where(charts, 1.0, present.windows), present.unseen)


def is_small(calibration: Calibration, present: CurrentEffect, involved: np.ndarray) -> np.ndarray:
    """Whether the current effect is below half of the relevant size, or below what sampling and autocorrelation alone
    explain, bool (columns + 1,).

    Only `involved` charts (charts,) count for their column: of all charts of a column, one nearly always exceeds the
    bound. For all columns together, nine tenths of the location and label charts must be small.
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
