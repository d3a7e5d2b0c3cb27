"""Whether a drift has ended: the windows since then are likelier without it than with the size that it had.

For each chart by which a column joined the incident, a CUSUM chart (Page 1954) sums the log likelihood ratio of "the
effect is gone" over "the effect is as it was". A long drift in few rows is often small in a window or two by chance;
the sum forgets that with the next window that shows it.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.decision.e_detector import per_column
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.control_charts import Scored

ENOUGH = 6.0
"""The log likelihood ratio that ends a drift: within a drift, it is reached by chance once in e**6 = 400 windows."""

_MOST = ENOUGH / 2
"""The most that one window counts for the end."""
_LONGEST_RUN = 10.0
"""The most by which autocorrelation multiplies the variance of a mean here: what wanders slowly must end as well."""


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """`effect` (charts,) is the size with which a column joined, 0 where it is not known, and `ended` the sum for its
    end; `sums` and `rows` (charts,) are the deviations times rows, and the rows, since that sum was 0. `share` and
    `share_ended` (columns,) are those of values outside the reference.
    """

    effect: Floats
    ended: Floats
    sums: Floats
    rows: Floats
    share: Floats
    share_ended: Floats


def begin(charts: int, columns: int) -> Recovery:
    """No drift."""
    none, nowhere = np.zeros(charts), np.zeros(columns)
    return Recovery(none, none, none, none, nowhere, nowhere)


def advance(
    calibration: Calibration, before: Recovery, scored: Scored, outside: Floats, seen: Floats
) -> Recovery:
    """Add one window. In each column, `outside` of `seen` rows held values outside the reference."""
    gain = (before.effect**2 - 2 * scored.deviation * before.effect) / (
        2 * _variance(calibration, scored.rows)
    )
    ended = np.maximum(before.ended + np.clip(gain, -ENOUGH, _MOST) * scored.observed, 0.0)
    sums, rows = before.sums + scored.deviation * scored.rows, before.rows + scored.rows
    usual = np.clip(np.minimum(calibration.unseen, before.share / 2), 1e-9, 0.5)
    share = np.clip(before.share, 2e-9, 1 - 1e-9)
    gain = outside * np.log(usual / share) + (seen - outside) * np.log((1 - usual) / (1 - share))
    share_ended = np.maximum(before.share_ended + np.clip(gain, -ENOUGH, _MOST), 0.0)
    return Recovery(before.effect, ended, sums * (ended > 0), rows * (ended > 0), before.share, share_ended)


def joined(
    before: Recovery, involved: np.ndarray, effect: Floats, share: Floats, members: np.ndarray
) -> Recovery:
    """Begin where `effect` (charts,) or `share` (columns,) of columns that join is not 0; forget all charts that are
    not `involved` (charts,) and all columns that are no `members` (columns,).
    """
    kept = involved & (effect == 0)
    return Recovery(
        np.where(effect != 0, effect, before.effect) * involved,
        before.ended * kept,
        before.sums * kept,
        before.rows * kept,
        np.where(share > 0, share, before.share) * members,
        np.where(share > 0, 0.0, before.share_ended) * members,
    )


def just_ended(before: Recovery, after: Recovery) -> np.ndarray:
    """The charts whose effect ended with the last window, bool (charts,)."""
    return np.asarray((before.ended < ENOUGH) & (after.ended >= ENOUGH) & (after.effect != 0))


def has_ended(calibration: Calibration, recovery: Recovery) -> np.ndarray:
    """Whether the drift of each column has ended, bool (columns + 1,); of what is not known, it has."""
    lasting = (recovery.effect != 0) & (recovery.ended < ENOUGH)
    charts = per_column(lasting.astype(float), calibration.scores.column, len(calibration.columns)) == 0
    return np.append(charts & ((recovery.share == 0) | (recovery.share_ended >= ENOUGH)), True)


def _variance(calibration: Calibration, rows: Floats) -> Floats:
    """What a window adds to the variance of a mean of deviations (charts,)."""
    charts = calibration.charts
    process = charts.autocorrelation
    run = np.minimum((1 + process.correlation) / (1 - process.correlation), _LONGEST_RUN)
    usual = process.variance * run + charts.season.variance.mean(axis=0)
    noise = np.divide(1.0, rows, out=np.ones_like(rows), where=rows > 0)
    return np.asarray((noise + usual) * charts.inflation**2)
