"""Skips moments at which nothing can change, by masks over all moments at once.

A condition that does not fire has no effect while there is no alert, and a condition that holds has no effect while the
alert fires. So most of a month is skipped. The masks may include too many moments, never too few.
"""

from dataclasses import dataclass

import numpy as np

from monitor.backtest.measurement_history import MeasurementHistory
from monitor.config.units import HOUR
from monitor.records import Labels
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Any, Condition
from monitor.rules.engine.threshold import ShareLimit, Threshold
from monitor.rules.language.level import BASELINE, PAST, Level
from monitor.store.timeseries import MeasurementColumns


@dataclass(frozen=True, slots=True)
class Screen:
    """The moments at which a condition may fire, and at which it may stop holding."""

    fires: np.ndarray
    releases: np.ndarray


def screen(condition: Condition, history: MeasurementHistory) -> Screen:
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
    if isinstance(condition, ShareLimit) and not condition.part.confidence and condition.part.assume is None:
        return _share(condition, history)
    all_moments = np.ones(len(history.moments), bool)
    return Screen(all_moments, all_moments)


def _share(condition: ShareLimit, history: MeasurementHistory) -> Screen:
    """Counts the evaluated instances beyond the limit. Other labels than that of the share make all moments
    candidates.
    """
    beyond = np.zeros(len(history.moments))
    evaluated = np.zeros(len(history.moments))
    for labels, columns in history.aligned(condition.part.seconds, condition.part.metric):
        if [name for name, _ in labels] != [condition.of] or condition.part.matchers:
            all_moments = np.ones(len(history.moments), bool)
            return Screen(all_moments, all_moments)
        limit = _limit(condition.part.level, condition.part.metric, labels, columns, history)
        with np.errstate(invalid="ignore"):
            is_evaluated = (columns.starts >= 0) & ~np.isnan(columns.values) & ~np.isnan(limit)
            is_evaluated &= columns.n >= condition.part.samples
            evaluated += is_evaluated
            beyond += is_evaluated & ((1 if condition.part.is_above else -1) * (columns.values - limit) > 0)
    share = beyond / np.maximum(evaluated, 1)
    return Screen((evaluated > 0) & (share > condition.above), (evaluated > 0) & (share <= condition.clear))


def _threshold(condition: Threshold, history: MeasurementHistory) -> Screen:
    count = len(history.moments)
    fires, releases = np.zeros(count, bool), np.zeros(count, bool)
    for labels, columns in history.aligned(condition.seconds, condition.metric):
        limit = _limit(condition.level, condition.metric, labels, columns, history)
        clear = limit
        if condition.clear is not None:
            clear = _limit(condition.clear, condition.metric, labels, columns, history)
        with np.errstate(invalid="ignore"):
            sign = 1 if condition.is_above else -1
            is_known = (columns.starts >= 0) & ~np.isnan(columns.values)
            is_beyond = sign * (columns.values - limit) > 0
            fires |= is_known & (is_beyond | np.isnan(limit)) & (columns.n >= condition.samples)
            releases |= is_known & ~(sign * (columns.values - clear) > 0)
    return Screen(fires, releases)


def _limit(
    level: Level, metric: str, labels: Labels, columns: MeasurementColumns, history: MeasurementHistory
) -> np.ndarray:
    if not level.reference:
        return np.full(len(history.moments), level.offset)
    if level.reference == BASELINE:
        return level.factor * columns.baseline + level.offset
    offset = PAST[level.reference]
    ends = columns.starts + columns.seconds - offset
    hours, position = np.unique((ends - HOUR // 2) // HOUR * HOUR, return_inverse=True)
    # The end is only compared with whole hours, so any moment within the last hour is equivalent.
    past_values = [history.past(history.stream, metric, labels, 0, hour, hour + HOUR + 1) for hour in hours]
    values = np.array([np.nan if value is None else value for value in past_values], float)
    return np.asarray(level.factor * values[position] + level.offset)


def _all(masks: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.logical_and.reduce(masks))


def _any(masks: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.logical_or.reduce(masks))
