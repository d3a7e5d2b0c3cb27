"""Turns the samples of one moment into points: what counters have counted, since when, and which series have ended.

A counter starts again when its value decreases. With deltas, a point is what was counted since the last one; what could
not be sent is given back, and is part of the next point. The first samples are only the point from which it is counted:
counters in the store go on over restarts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from monitor.config.units import DAY
from monitor.exporters.push.point import Point
from monitor.exporters.samples import HistogramSample, Metric, Sample

Temporality = Literal["cumulative", "delta"]
_Key = tuple[str, tuple[str, ...]]
_FORGET_AFTER = 7.0 * DAY
_SHORTEST = 0.001
_SUMS = ("counter", "histogram")
UNKNOWN = 0.0
"""The start of a counter that was there before the first samples."""


@dataclass(slots=True)
class _Series:
    """What is known of a counter: its last values, those that are already sent, since when, and when it was seen."""

    last: tuple[float, ...]
    sent: tuple[float, ...]
    start: float
    seen: float


class Intervals:
    """The state of one exporter's series. Not for use by several threads."""

    def __init__(self, temporality: Temporality) -> None:
        self._is_delta = temporality == "delta"
        self._counters: dict[_Key, _Series] = {}
        self._present: dict[_Key, tuple[Metric, tuple[float, ...]]] = {}
        self._before: float | None = None

    def points(self, samples: Iterable[Sample | HistogramSample], now: float) -> list[Point]:
        """The points of `now`, and the ends of series that were there before."""
        present: dict[_Key, tuple[Metric, tuple[float, ...]]] = {}
        points = []
        for sample in samples:
            present[sample.metric.name, sample.values] = (sample.metric, _bounds(sample))
            if sample.metric.kind not in _SUMS:
                assert isinstance(sample, Sample)
                points.append(Point(sample.metric, sample.values, sample.value, now))
            elif (point := self._counted(sample, now)) is not None:
                points.append(point)
        for (name, values), (metric, bounds) in self._present.items():
            if (name, values) not in present:
                points.append(Point(metric, values, math.nan, now, bounds=bounds, is_end=True))
        self._present, self._before = present, now
        self._forget(now)
        return points

    def give_back(self, points: Iterable[Point]) -> None:
        """Count again what these points held, because they will not be sent."""
        for point in points if self._is_delta else ():
            series = self._counters.get((point.metric.name, point.values))
            if series is not None and not point.is_end:
                held = (point.sum, *point.counts) if point.counts else (point.value,)
                series.sent = _less(series.sent, held)
                series.start = min(series.start, point.start)

    def _counted(self, sample: Sample | HistogramSample, now: float) -> Point | None:
        values = _values(sample)
        if not all(map(math.isfinite, values)):
            return None
        key = (sample.metric.name, sample.values)
        series = self._counters.get(key)
        if series is None or len(series.last) != len(values):
            series = self._counters[key] = self._first(values, now)
            if self._is_delta and self._before is None:
                return None
        elif _is_reset(series.last, values, sample):
            # What was counted before and is not sent yet stays owed.
            series.sent = _less(series.sent, series.last)
            series.start = series.start if self._is_delta else series.seen
        series.last, series.seen = values, now
        if not self._is_delta:
            return _point(sample, values, series.start, now)
        point = _point(sample, _less(values, series.sent), series.start, now)
        series.sent, series.start = values, now
        return point

    def _first(self, values: tuple[float, ...], now: float) -> _Series:
        """A counter that is seen for the first time: since when it counts is known only if it was not there before."""
        if self._before is not None:
            return _Series(values, (0.0,) * len(values), self._before, now)
        return _Series(values, values, now if self._is_delta else UNKNOWN, now)

    def _forget(self, now: float) -> None:
        old = [key for key, series in self._counters.items() if series.seen < now - _FORGET_AFTER]
        for key in old:
            del self._counters[key]


def _values(sample: Sample | HistogramSample) -> tuple[float, ...]:
    """The sum and all counts of a histogram, or the value of a counter."""
    if isinstance(sample, Sample):
        return (sample.value,)
    return (sample.sum, *(bucket.cumulative for bucket in sample.buckets))


def _bounds(sample: Sample | HistogramSample) -> tuple[float, ...]:
    return () if isinstance(sample, Sample) else tuple(bucket.bound for bucket in sample.buckets)


def _is_reset(before: tuple[float, ...], values: tuple[float, ...], sample: Sample | HistogramSample) -> bool:
    """Whether a counter started again. The sum of a histogram may decrease: its values may be negative."""
    skipped = 0 if isinstance(sample, Sample) else 1
    return any(new < old for new, old in zip(values[skipped:], before[skipped:], strict=True))


def _less(values: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(value - less for value, less in zip(values, other, strict=True))


def _point(sample: Sample | HistogramSample, values: tuple[float, ...], start: float, now: float) -> Point:
    if start >= now:  # the clock was set back, and receivers refuse such points
        start = now - _SHORTEST
    if isinstance(sample, Sample):
        return Point(sample.metric, sample.values, max(0.0, values[0]), now, start)
    counts = tuple(max(0.0, count) for count in values[1:])  # a rest of rounding may be below zero
    return Point(sample.metric, sample.values, counts[-1], now, start, _bounds(sample), counts, values[0])
