"""Rows that look like those of another kind of day: a holiday, or timestamps that are late.

Where the level of columns depends on the day, a Monday with the levels of weekends is explained by that alone. Counts
cannot tell a holiday from rows of Sunday that have the times of the job that ran a day later, so both are named.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from monitor.drift.columns import Floats, Integers, WindowCounts
from monitor.drift.model import season
from monitor.drift.model.calibration import Calibration, score_reference
from monitor.drift.model.harmonics import HOURS
from monitor.drift.model.scores import Family

# By how much the misfit to the other day must be smaller, in squared standard deviations, summed over windows and
# charts, and how large it may be on average: 1 is a day as usual.
LEAST_GAIN, MOST_MISFIT = 20.0, 2.0

# The share of the misfit to the own day that the other day must explain.
EXPLAINED = 0.5

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_FAMILIES = (Family.LOCATION, Family.LEVEL, Family.MISSING)
"""The charts of what a column's level is, which are told apart best."""


def like_another_day(calibration: Calibration, windows: Sequence[WindowCounts]) -> str:
    """Which kind of day the windows since a change began look like, in words; empty if their own, or none."""
    if not windows:
        return ""
    kind = calibration.charts.season.scheme
    own = season.cells([window.window for window in windows], kind, calibration.zone)
    effects, rows = score_reference(calibration.scores, windows)
    effects = calibration.charts.coupling.remove(effects, rows)
    best, words = EXPLAINED, ""
    for name, other in _others(kind, own):
        usual, misfit, charts = _misfits(calibration, effects, rows, own, other)
        if usual - misfit >= LEAST_GAIN and misfit <= MOST_MISFIT * charts and misfit < best * usual:
            best = misfit / usual
            words = (
                f"the rows look as they do on {name}: a holiday (`drift.special_days`), or timestamps that are late, "
                "as those of a job that ran on another day"
            )
    return words


def _others(kind: str, own: Integers) -> Iterator[tuple[str, Integers]]:
    """The cells of the windows if they were of another kind of day, by its name."""
    if kind == "hour":
        yield "weekdays", own % HOURS
        yield "weekends", own % HOURS + HOURS
        return
    for day, name in enumerate(_DAYS):
        yield name, np.full_like(own, day) if kind == "weekday" else own % HOURS + day * HOURS


def _misfits(
    calibration: Calibration, effects: Floats, rows: Floats, own: Integers, other: Integers
) -> tuple[float, float, int]:
    """The misfit to the own and to the other day, and over how many windows and charts: those whose level differs
    between the two.
    """
    charts = calibration.charts
    offset, variance = charts.season.offset * charts.season.factor, charts.season.variance
    compared = np.isin(charts.family, _FAMILIES) & np.isfinite(calibration.scores.scale)
    compared = compared & (rows > 0) & (offset[own] != offset[other])
    noise = charts.autocorrelation.variance + 1 / np.maximum(rows, 1.0)
    usual, misfit = (
        ((effects - charts.mean - offset[cell]) ** 2 / (noise + variance[cell]) / charts.inflation**2)[
            compared
        ]
        for cell in (own, other)
    )
    return float(usual.sum()), float(misfit.sum()), int(compared.sum())
