"""Hours that differ from day to day far more than others do: a feed that is stale at night repeats another value each
night, a nightly job sends another mix each day.

One variance for all hours would be too small for these and too large for the others. So rows of such an hour count as
fewer: as many as tell the level as well as the hour does.
"""

import numpy as np

from monitor.drift.columns import Floats, Integers
from monitor.drift.model.harmonics import HOURS

_FAR = 2.5
"""A column is far from the middle of an hour if it is by chance on one in 160 days (in deviations of a normal)."""
_FREE = 4
"""Charts of a column that count as independent at most: all of them show one distribution."""
_PART, _LEAST_DAYS = 4, 3
"""An hour is unsteady if a column is far on a quarter of the days, and on at least three."""
_MEDIAN = 0.4549
"""The median of a squared standard normal variable."""


def hours(deviations: Floats, rows: Floats, cells: Integers, column: Integers, count: int) -> np.ndarray:
    """The unsteady cells of each chart, bool (`count`, charts), from deviations and rows (windows, charts).

    All charts of a column decide together, so that few rows of one label do not, and all days of an hour, because a
    value that is repeated may be the same on most weekends. At most half of a column's hours are unsteady: else all
    hours are alike.
    """
    usual = _usual(deviations, rows) + _noise(rows)
    middle = np.zeros((count, deviations.shape[1]))
    for cell in np.unique(cells):
        middle[cell] = np.median(deviations[cells == cell], axis=0)
    of_column = column[:, None] == np.arange(int(column.max(initial=-1)) + 1)
    seen = (rows > 0).astype(float) @ of_column
    squares = (deviations - middle[cells]) ** 2 / usual * (rows > 0)
    distance = squares @ of_column / np.maximum(seen, 1.0)
    marked = np.zeros((count, of_column.shape[1]), dtype=bool)
    for hour in np.unique(cells % HOURS):
        days = distance[cells % HOURS == hour]
        place = max(-(-len(days) // _PART), _LEAST_DAYS)
        if place <= len(days):
            far = np.sort(days, axis=0)[-place] > _far(np.minimum(of_column.sum(axis=0), _FREE))
            marked[np.unique(cells[cells % HOURS == hour])] = far
    marked &= marked.sum(axis=0) * 2 <= np.unique(cells).size
    return np.asarray(marked[:, column])


def variance(
    deviations: Floats, rows: Floats, cells: Integers, chosen: np.ndarray, alike: Integers
) -> Floats:
    """The variance between days of the `chosen` cells beyond that of all hours, (cells, charts).

    Hours of one night may repeat one value. So it is multiplied by how much they depend on each other. A value that
    comes once in ten nights may not have come at this hour, so it is at least the mean over hours and over charts that
    are `alike`, which have one number (charts,).
    """
    more = np.zeros(chosen.shape)
    usual = _usual(deviations, rows) + _noise(rows)
    together = _dependence(np.where(rows > 0, deviations, 0.0), chosen[cells])
    for cell in np.flatnonzero(chosen.any(axis=1)):
        inside = cells == cell
        days = np.maximum((rows[inside] > 0).sum(axis=0), 1)
        beyond = ((together * deviations[inside] ** 2 - usual[inside]) * (rows[inside] > 0)).sum(
            axis=0
        ) / days
        more[cell] = np.where(chosen[cell], np.maximum(beyond, 0.0), 0.0)
    count = np.bincount(alike, chosen.sum(axis=0))
    common = np.bincount(alike, more.sum(axis=0)) / np.maximum(count, 1.0)
    return np.where(chosen, np.maximum(more, common[alike]), 0.0)


def _dependence(deviations: Floats, inside: np.ndarray) -> Floats:
    """The variance of sums over consecutive windows `inside` (windows, charts), relative to that of independent
    deviations: from 1 to the length of such a run (charts,).
    """
    ratio = np.ones(inside.shape[1])
    for chart in np.flatnonzero(inside.any(axis=0)):
        chosen = inside[:, chart]
        run = np.cumsum(np.diff(chosen, prepend=False) & chosen)[chosen]
        values = deviations[chosen, chart]
        squares = float((values**2).sum())
        ratio[chart] = (np.bincount(run, values) ** 2).sum() / squares if squares > 0 else 1.0
    return np.maximum(ratio, 1.0)


def weighed(rows: Floats, more: Floats) -> Floats:
    """The rows that tell a level as well as `rows` do where hours differ by a variance of `more`."""
    return np.asarray(rows / (1 + rows * more))


def _far(free: Integers) -> Floats:
    """The mean of so many squared standard normal variables that is as rare (Wilson and Hilferty)."""
    part = 2 / (9 * np.maximum(free, 1))
    return np.asarray((1 - part + _FAR * np.sqrt(part)) ** 3)


def _usual(deviations: Floats, rows: Floats) -> Floats:
    """The variance of each chart beyond that of sampling, from the middle of all windows (charts,)."""
    seen = rows > 0
    total = np.where(seen, deviations**2, np.nan)
    total[0] = np.where(seen.any(axis=0), total[0], 0.0)
    noise = np.where(seen, _noise(rows), np.nan)
    noise[0] = np.where(seen.any(axis=0), noise[0], 0.0)
    spread = np.nanmedian(total, axis=0) / _MEDIAN - np.nanmedian(noise, axis=0)
    return np.asarray(np.maximum(spread, 0.0))


def _noise(rows: Floats) -> Floats:
    return np.divide(1.0, rows, out=np.ones_like(rows), where=rows > 0)
