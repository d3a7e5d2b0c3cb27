"""The season: the usual level at this hour of this kind of day.

Cells are hours of the local day, on weekdays and weekends (48); from eight weeks of history on, on each weekday (168);
for windows of half a day or more, only the weekday. The mean of a cell is shrunk by how much of it may be chance
(empirical Bayes), and its remaining uncertainty is added to the variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from monitor.config.units import WEEK
from monitor.drift.columns import Floats, Integers
from monitor.drift.model import amplitude, harmonics, volatile_hours
from monitor.drift.model.harmonics import HOURS
from monitor.records import Window

LONG = 43_200
WEEKS_FOR_EACH_DAY = 8


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """Offsets from the overall mean and their variance, both (cells, charts).

    `factor` (charts,) is the amplitude at the end of the reference, in units of that of `offset`, and `change` the
    variance of its change from one window to the next (see `amplitude`). `unsteady` (cells, charts) is the variance by
    which some hours differ from day to day beyond all others, else 0.
    """

    scheme: str
    zone: str
    offset: Floats
    variance: Floats
    factor: Floats
    change: float
    unsteady: Floats

    def weighed(self, rows: Floats, cell: Integers | int) -> Floats:
        """The rows (..., charts) of windows of this cell, fewer in unsteady hours."""
        return volatile_hours.weighed(rows, self.unsteady[cell])


def scheme(windows: Sequence[Window]) -> str:
    """The cells that fit a reference: `weekday`, `hour` (weekdays and weekends) or `week`."""
    if max(window.seconds for window in windows) >= LONG:
        return "weekday"
    span = windows[-1].end - windows[0].start
    return "week" if span >= WEEKS_FOR_EACH_DAY * WEEK else "hour"


def cells(windows: Sequence[Window], kind: str, zone: str) -> Integers:
    """The cell of each window, by the middle of the window."""
    place = ZoneInfo(zone)
    return np.array(
        [_cell(datetime.fromtimestamp((w.start + w.end) / 2, place), kind) for w in windows], dtype=np.int64
    )


def _cell(moment: datetime, kind: str) -> int:
    if kind == "weekday":
        return moment.weekday()
    if kind == "week":
        return moment.weekday() * HOURS + moment.hour
    return moment.hour + (HOURS if moment.weekday() >= 5 else 0)


def fit(
    effects: Floats,
    observed: np.ndarray,
    windows: Sequence[Window],
    kind: str,
    zone: str,
    family: Integers,
) -> Season:
    """Shrunk offsets of `effects` (windows, charts), whose overall mean is zero: by waves if whole days were observed,
    else by cells.
    """
    where = cells(windows, kind, zone)
    size = {"weekday": 7, "hour": 2 * HOURS, "week": 7 * HOURS}[kind]
    if kind != "weekday":
        place = ZoneInfo(zone)
        day = np.array([datetime.fromtimestamp((w.start + w.end) / 2, place).toordinal() for w in windows])
        waves = harmonics.fit(effects, observed, day, where, size // HOURS, family)
        if waves is not None:
            return _season(kind, zone, waves, windows)
    return _season(kind, zone, cellwise(effects, observed, where, size), windows)


def _season(kind: str, zone: str, fitted: tuple[Floats, Floats], windows: Sequence[Window]) -> Season:
    offset, variance = fitted
    seconds = max(window.seconds for window in windows)
    factor, steady = np.ones(offset.shape[1]), np.zeros_like(offset)
    return Season(kind, zone, offset, variance, factor, amplitude.step(seconds), steady)


def cellwise(effects: Floats, observed: np.ndarray, where: Integers, size: int) -> tuple[Floats, Floats]:
    """Offsets and variance of each cell, both (cells, charts)."""
    member = np.zeros((size, len(where)))
    member[where, np.arange(len(where))] = 1.0
    count = member @ observed
    safe = np.maximum(count, 1.0)
    mean = (member @ effects) / safe
    squares = (member @ effects**2) - count * mean**2
    freedom = np.maximum((count - (count > 0)).sum(axis=0), 1.0)
    within = np.maximum(squares.sum(axis=0), 0.0) / freedom
    between = (count * mean**2 - within * (count > 0)).sum(axis=0) / np.maximum(count.sum(axis=0), 1.0)
    between = np.maximum(between, 0.0)
    error = within / safe
    keep = np.divide(between, between + error, out=np.zeros_like(error), where=(between + error) > 0)
    return keep * mean * (count > 0), keep * error + (count == 0) * between
