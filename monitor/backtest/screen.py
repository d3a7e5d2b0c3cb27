"""Where nothing can happen, so that nobody need look: masks over all moments at once.

A condition that does not fire leaves no trace while there is no alert, and one that holds changes nothing while
the alert fires. So a month is mostly skipped. The masks may name moments too many, never too few.
"""

from dataclasses import dataclass

import numpy as np

from monitor.backtest.history import History
from monitor.records import Labels
from monitor.rules.burn import Burn
from monitor.rules.condition import All, Any, Condition
from monitor.rules.level import BASELINE, PAST, Level
from monitor.rules.threshold import Share, Threshold
from monitor.store.timeseries import Columns


@dataclass(frozen=True, slots=True)
class Screen:
    """Moments at which a condition may fire, and at which it may let go."""

    fires: np.ndarray
    releases: np.ndarray


def screen(condition: Condition, history: History) -> Screen:
    """The masks of a condition over the moments of a history."""
    if isinstance(condition, All):
        parts = [screen(part, history) for part in condition.parts]
        return Screen(_all([part.fires for part in parts]), _any([part.releases for part in parts]))
    if isinstance(condition, Any):
        parts = [screen(part, history) for part in condition.parts]
        return Screen(_any([part.fires for part in parts]), _any([part.releases for part in parts]))
    if isinstance(condition, Burn):
        pairs = tuple(All(condition.thresholds(*pair)) for pair in condition.pairs)
        return screen(Any(pairs), history)
    if isinstance(condition, Threshold):
        return _threshold(condition, history)
    if isinstance(condition, Share) and not condition.part.confidence and condition.part.assume is None:
        return _share(condition, history)
    everything = np.ones(len(history.moments), bool)
    return Screen(everything, everything)


def _share(condition: Share, history: History) -> Screen:
    """How many of the judged instances are beyond; a label that the share does not count by may be among them."""
    beyond = np.zeros(len(history.moments))
    judged = np.zeros(len(history.moments))
    for labels, columns in history.aligned(condition.part.seconds, condition.part.metric):
        if [name for name, _ in labels] != [condition.of] or condition.part.matchers:
            everything = np.ones(len(history.moments), bool)
            return Screen(everything, everything)
        limit = _limit(condition.part.level, condition.part.metric, labels, columns, history)
        with np.errstate(invalid="ignore"):
            known = (columns.starts >= 0) & ~np.isnan(columns.values) & ~np.isnan(limit)
            known &= columns.n >= condition.part.samples
            judged += known
            beyond += known & ((1 if condition.part.is_above else -1) * (columns.values - limit) > 0)
    share = beyond / np.maximum(judged, 1)
    return Screen((judged > 0) & (share > condition.above), (judged > 0) & (share <= condition.clear))


def _threshold(condition: Threshold, history: History) -> Screen:
    count = len(history.moments)
    fires, releases = np.zeros(count, bool), np.zeros(count, bool)
    for labels, columns in history.aligned(condition.seconds, condition.metric):
        limit = _limit(condition.level, condition.metric, labels, columns, history)
        clear = limit
        if condition.clear is not None:
            clear = _limit(condition.clear, condition.metric, labels, columns, history)
        with np.errstate(invalid="ignore"):
            sign = 1 if condition.is_above else -1
            known = (columns.starts >= 0) & ~np.isnan(columns.values)
            is_beyond = sign * (columns.values - limit) > 0
            fires |= known & (is_beyond | np.isnan(limit)) & (columns.n >= condition.samples)
            releases |= known & ~(sign * (columns.values - clear) > 0)
    return Screen(fires, releases)


def _limit(level: Level, metric: str, labels: Labels, columns: Columns, history: History) -> np.ndarray:
    if not level.reference:
        return np.full(len(history.moments), level.offset)
    if level.reference == BASELINE:
        return level.factor * columns.baseline + level.offset
    back = PAST[level.reference]
    ends = columns.starts + columns.seconds - back
    hours, place = np.unique((ends - 1800) // 3600 * 3600, return_inverse=True)
    # The end is only ever compared with whole hours: any moment within the last hour gives the same ones.
    found = [history.past(history.stream, metric, labels, 0, hour, hour + 3600 + 1) for hour in hours]
    values = np.array([np.nan if value is None else value for value in found], float)
    return np.asarray(level.factor * values[place] + level.offset)


def _all(masks: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.logical_and.reduce(masks))


def _any(masks: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.logical_or.reduce(masks))
