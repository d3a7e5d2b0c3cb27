"""MASE whose scale is learned: errors relative to those of the seasonal naive forecast over the baseline.

Series of different sizes have scales of their own. So the figure of all rows is the mean over series, each by its scale
and weighted by its rows. Other parts of the rows have none: their sums do not tell of which series they are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.expressions.expression import UndefinedError
from monitor.metrics.declared.custom_metrics import figure
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Labels, Measurement
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.seasonal_naive import DOUBLED, ERROR, PAIRS, SeasonLength
from monitor.windows.declared.tally_labels import ROWS
from monitor.windows.profile import Slice

_MOST_DOUBLED, _FEWEST_COVERED = 0.01, 0.99


class _NoScaleError(Exception):
    """Why there is no scale."""


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A mean absolute error by its scale, with its interval, and the rows behind it."""

    value: float
    interval: Interval | None
    n: float


def measure(
    subject: Subject, metric: CustomMetric, info: MetricInfo, season: SeasonLength
) -> Iterator[Measurement]:
    """MASE of all rows, by version and by segment."""
    for where, part, base in subject.scopes():
        n, needed = part.tally(metric.tally).get(ROWS, 0.0), subject.settings.min_outcomes
        if n < needed:
            yield subject.not_measured(info, too_few(n, needed, "outcomes"), n, where=where)
            continue
        try:
            scaled = _of_scope(subject, metric, season, where, part, base)
            usual = _usual(subject, metric, season, where, base)
        except (_NoScaleError, UndefinedError) as reason:
            yield subject.not_measured(info, str(reason), n, where=where)
            continue
        yield subject.ok(info, scaled.value, scaled.n, where=where, interval=scaled.interval, baseline=usual)


def _of_scope(
    subject: Subject,
    metric: CustomMetric,
    season: SeasonLength,
    where: Labels,
    part: Slice,
    base: Slice | None,
) -> _Scaled:
    whole = subject.baseline.profile.overall if subject.baseline is not None else None
    if not season.series:
        return _scaled(metric, part, _scale(subject, whole))
    if not where:
        return _of_all_series(subject, metric, season, part)
    if where[0][1].startswith(f"{season.series}=") and where[0][0] == "segment":
        return _scaled(metric, part, _scale(subject, base))
    raise _NoScaleError(
        f"each {season.series} has its own scale: measured for all rows and by {season.series}"
    )


def _of_all_series(subject: Subject, metric: CustomMetric, season: SeasonLength, part: Slice) -> _Scaled:
    """The mean of all rows, each by the scale of its series."""
    by_series: list[_Scaled] = []
    for where, one, base in subject.scopes():
        if not (where and where[0][0] == "segment" and where[0][1].startswith(f"{season.series}=")):
            continue
        if one.tally(metric.tally).get(ROWS, 0.0):
            try:
                by_series.append(_scaled(metric, one, _scale(subject, base)))
            except _NoScaleError:
                continue
    n, total = sum(one.n for one in by_series), part.tally(metric.tally).get(ROWS, 0.0)
    if n < _FEWEST_COVERED * total:
        _scale(subject, subject.baseline.profile.overall if subject.baseline is not None else None)
        raise _NoScaleError(f"only {n / total:.0%} of the rows belong to a {season.series} with a scale")
    value = math.fsum(one.n * one.value for one in by_series) / n
    halves = [one.n * (one.interval[1] - one.value) for one in by_series if one.interval is not None]
    half = math.sqrt(math.fsum(halve * halve for halve in halves)) / n
    is_known = len(halves) == len(by_series)
    return _Scaled(value, (max(value - half, 0.0), value + half) if is_known else None, n)


def _scaled(metric: CustomMetric, part: Slice, scale: float) -> _Scaled:
    value, interval = figure(metric, part)
    bounds = None if interval is None else (max(interval[0], 0.0) / scale, interval[1] / scale)
    return _Scaled(value / scale, bounds, part.tally(metric.tally).get(ROWS, 0.0))


def _scale(subject: Subject, base: Slice | None) -> float:
    """The error of the seasonal naive forecast.

    Raises:
        _NoScaleError: the baseline does not tell it.
    """
    if subject.baseline is None:
        raise _NoScaleError("no baseline to learn the scale from")
    pairs = 0.0 if base is None else base.total(PAIRS)
    doubled = 0.0 if base is None else base.total(DOUBLED)
    if base is not None and doubled > _MOST_DOUBLED * max(pairs, 1.0):
        raise _NoScaleError("the baseline has several truths at one time: name `series` and `horizon`")
    if base is None or pairs < subject.settings.min_outcomes:
        raise _NoScaleError(
            too_few(pairs, subject.settings.min_outcomes, "truths of the baseline one season apart")
        )
    scale = base.total(ERROR) / pairs
    if not scale > 0:
        raise _NoScaleError("the seasonal naive forecast is always right in the baseline")
    return scale


def _usual(
    subject: Subject, metric: CustomMetric, season: SeasonLength, where: Labels, base: Slice | None
) -> float | None:
    """The baseline's own figure; None if it has none, or where it is made of several series."""
    if base is None or base.tally(metric.tally).get(ROWS, 0.0) < subject.settings.min_outcomes:
        return None
    if season.series and not where:
        return None
    try:
        of_scale = base if season.series or subject.baseline is None else subject.baseline.profile.overall
        return _scaled(metric, base, _scale(subject, of_scale)).value
    except (_NoScaleError, UndefinedError):
        return None
