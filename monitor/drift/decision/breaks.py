"""Breaks: changes so large that one window is enough to open an incident."""

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.control_charts import Charts, Scored
from monitor.drift.model.scores import Family

# Limits of a break: a change so large in one window that it opens an incident at once.
BREAK_ROWS, BREAK_EFFECT, BREAK_SHARE, BREAK_ERROR, BREAK_BEYOND = 50, 0.85, 0.25, 6.0, 1.5

# Limits of a smaller break of a location: in smallest relevant effects, and the chance per month of reference that an
# error goes as far, with a Pareto tail of at least this shape. The filter follows such a break like a shock, so that
# there may be little evidence in the windows after it.
JUMP_EFFECTS, JUMP_CHANCE, JUMP_SHAPE = 2.5, 1 / 16, 0.2


def broken_charts(calibration: Calibration, scored: Scored) -> np.ndarray:
    """The chart by which each column broke, or -1: it moved by more than a standard deviation, or by a quarter of all
    rows, in one window, and further than in any window of the reference. Or its location jumped (`jumped`).
    """
    scores, charts = calibration.scores, calibration.charts
    far = np.abs(scored.error) >= np.maximum(BREAK_ERROR, BREAK_BEYOND * charts.largest)
    size = np.abs(scored.deviation)
    big = np.where(scores.family <= Family.SPREAD, size >= BREAK_EFFECT, size >= share_effect(scores.share))
    big &= scores.family != Family.SHAPE
    enough = scored.observed & (scored.rows >= BREAK_ROWS)
    hit = ((far & big) | jumped(charts, calibration.least, scored)) & enough
    broken = np.full(len(calibration.columns), -1)
    # From right to left, so that the first chart of a column wins: it is the easiest to explain.
    charts_hit = np.flatnonzero(hit)[::-1]
    broken[scores.column[charts_hit]] = charts_hit
    return broken


def jumped(charts: Charts, least: float, scored: Scored) -> np.ndarray:
    """The locations that moved further than chance and usual shocks explain, bool (charts,): from where the windows
    before let expect them, because a level that wanders may jump to where the reference has its mean. `least` is the
    smallest relevant effect.

    An error that exceeds the largest of a reference by the factor q occurs in as much time again with a probability of
    about q^(-1 / shape). The largest of all locations counts: few shocks are seen in a month of one column. Errors are
    those of single windows: that they add up over days is no reason to doubt one.
    """
    location = charts.family == Family.LOCATION
    shape = max(float(charts.tails.shape[Family.LOCATION]), JUMP_SHAPE)
    largest = (charts.largest * charts.dependence)[location].max(initial=0.0)
    is_far = np.abs(scored.error * charts.dependence) >= max(BREAK_ERROR, largest * JUMP_CHANCE**-shape)
    is_large = (np.abs(scored.moved) >= JUMP_EFFECTS * least) & (scored.rows >= BREAK_ROWS)
    return np.asarray(location & is_far & is_large)


def is_usual_after(calibration: Calibration, scored: Scored, chart: int) -> bool:
    """Whether the location that broke in a `chart` may be as usual after it: it jumped from another usual level."""
    is_location = calibration.scores.family[chart] == Family.LOCATION
    return bool(is_location and abs(scored.deviation[chart]) < JUMP_EFFECTS * calibration.least)


def share_effect(share: Floats) -> Floats:
    """The effect (signed root) of a share that grew by 25 points."""
    grown = np.minimum(share + BREAK_SHARE, 1 - 1e-9)
    gain = grown * np.log(grown / share) + (1 - grown) * np.log((1 - grown) / (1 - share))
    return np.asarray(np.sqrt(2 * np.maximum(gain, 0.0)))
