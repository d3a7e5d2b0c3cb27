"""How long the evaluated windows are, and how many of them are needed to learn from: both depend on the volume, and on
whether rows come all day or in batches.
"""

import math
from collections.abc import Iterable

import numpy as np

from monitor.config.units import DAY, HOUR, MINUTE, format_duration
from monitor.drift.settings import DriftSettings

ROWS = 100
"""Rows of a window that make one of up to an hour long enough."""
_ENOUGH = (
    *((seconds, ROWS) for seconds in (15 * MINUTE, 30 * MINUTE, HOUR)),
    (HOUR, 20),
    (4 * HOUR, 40),
)
"""Lengths in the order in which they are tried, with the rows that most windows must have; the last is a day."""

LEAST_WINDOWS, FEWEST_WINDOWS, LEAST_DAYS = 100, 20, 20
"""Windows to learn from; of long windows, twenty days suffice, if they are at least 20: four weeks of working days."""
_WEEKS = 28 * DAY
"""The default reference, in which there have to be as many windows with rows."""


def length(rows: float, span: float, unit: int, settings: DriftSettings, starts: Iterable[float] = ()) -> int:
    """The length of an evaluation window in seconds, a multiple of `unit`: as configured; or the shortest up to an hour
    with which a window has 100 rows on average; or an hour from 20 rows on, four hours from 40 on, or a day.

    `starts` are times at which there were rows, if they are known. With a job that runs once a day, only one of many
    windows has rows; a length is only chosen if enough windows of four weeks do.
    """
    if settings.window != "auto":
        return _multiple(int(settings.window), unit)
    volume, times = rows / max(span, 1.0), np.fromiter(starts, float)
    fitting = ((_multiple(seconds, unit), least) for seconds, least in _ENOUGH)
    return next(
        (
            seconds
            for seconds, least in fitting
            if volume * seconds >= least and _has_enough(times, span, seconds)
        ),
        _multiple(DAY, unit),
    )


def _has_enough(times: np.ndarray, span: float, seconds: int) -> bool:
    """Whether four weeks like the span have enough windows of this length with rows, as far as it is known."""
    if not times.size:
        return True
    first = times.min()
    seen = min(span, max(times.max() - first, 0.0) + DAY)  # with the hours that follow the last rows
    return bool(np.unique(times // seconds).size * _WEEKS >= least_windows(seconds) * seen)


def least_windows(seconds: int) -> int:
    """The number of windows of this length to learn from."""
    return min(LEAST_WINDOWS, max(FEWEST_WINDOWS, math.ceil(LEAST_DAYS * DAY / seconds)))


def needed(seconds: int) -> str:
    """The same in words: `20 windows of 1d`."""
    return f"{least_windows(seconds)} windows of {format_duration(seconds)}"


def never_enough(seconds: int, settings: DriftSettings) -> str:
    """Why `drift.reference` is too short for windows of this length, in words; empty if it is not."""
    least = (least_windows(seconds) + 1) * seconds
    if settings.reference >= least:
        return ""
    days = math.ceil(least / DAY)
    return f"`drift.reference` is too short for {needed(seconds)}: set it to {days}d or more"


def _multiple(seconds: int, unit: int) -> int:
    return max(seconds // unit, 1) * unit
