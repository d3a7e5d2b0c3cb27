"""Daily summaries, rolled up from hourly measurements as these change."""

import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from heapq import nsmallest
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.health import targets, wording
from monitor.health.settings import ClientSettings
from monitor.records import Stream, Window
from monitor.store import daily_summaries, measurements, timeseries
from monitor.store import streams as stream_rows
from monitor.store.daily_summaries import DayFigures
from monitor.store.db import Store
from monitor.store.timeseries import Series

MOST_PAST_DAYS = 90
_EVERY, _LONGEST, _MANY = 60.0, 600.0, 1000
"""Seconds after which a day is rolled up again: with more than `_MANY` streams, in proportion, up to the longest."""
_NEW_STREAMS_EVERY = 10.0
_AT_MOST = 400
"""Days that one call rolls up."""
_DAYS = 8
"""Days per transaction; ingest waits while it is committed."""
_NOT_CONFIGURED = ClientSettings()


class DailySummaries:
    """Tracks days that changed since they were last rolled up. Thread-safe."""

    def __init__(self, store: Store, clients: Mapping[str, ClientSettings]) -> None:
        self._store = store
        self._clients = clients
        self._changed: set[tuple[Stream, date]] = set()
        self._rolled: dict[tuple[Stream, date], float] = {}
        self._known: set[Stream] | None = None
        self._looked_at = -math.inf
        self._last: tuple[object, ...] = ()
        self._lock = threading.Lock()

    def touch(self, touched: Iterable[tuple[Stream, Window]]) -> None:
        """Mark the days of windows that were measured (again)."""
        with self._lock:
            for stream, window in touched:
                self._changed.add((stream, self._day(stream, window.start)))

    def update(self, now: float, seconds: float = math.inf) -> int:
        """Roll up the days that changed, each at most once per minute; their number. After so many `seconds` the others
        wait for the next call: those of many streams at a start would slow the first ticks down.
        """
        self._add_new_streams(now)
        due, until = self._due(now), time.monotonic() + seconds
        for at in range(0, len(due), _DAYS):
            if at and time.monotonic() >= until:
                self._postpone(due[at:])
                return at
            rolled: list[DayFigures] = []
            with self._store.read() as connection:
                for stream, day in due[at : at + _DAYS]:
                    with self._store.faults.isolate(
                        "streams", f"{stream}: the day {day}", in_transaction=True
                    ):
                        rolled.append(roll_up(connection, stream, day, self._settings(stream), now))
            with_data = [one for one in rolled if one.decisions or one.quality is not None]
            self._forget_empty(rolled, with_data)
            if with_data:
                with self._store.write() as connection:
                    daily_summaries.put(connection, with_data)
        return len(due)

    def _due(self, now: float) -> list[tuple[Stream, date]]:
        """The days to roll up, those first that waited longest, and of those that never were, the newest first."""
        with self._lock:
            before = {one: self._rolled.get(one, -math.inf) for one in self._changed}
            many = min(_LONGEST / _EVERY, max(1.0, len(self._known or ()) / _MANY))
            due = [one for one, rolled in before.items() if now - rolled >= _EVERY * many]
            due = nsmallest(_AT_MOST, due, key=lambda one: (before[one], -one[1].toordinal(), one[0]))
            self._rolled |= dict.fromkeys(due, now)
            self._changed -= set(due)
            return due

    def _postpone(self, due: Sequence[tuple[Stream, date]]) -> None:
        """Roll these up in the next call."""
        with self._lock:
            self._changed |= set(due)
            for one in due:
                self._rolled.pop(one, None)

    def _forget_empty(self, rolled: Sequence[DayFigures], with_data: Sequence[DayFigures]) -> None:
        """A day that had nothing yet is rolled up again at its first measurement, not a minute later."""
        kept = {(one.stream, one.day) for one in with_data}
        with self._lock:
            for one in rolled:
                if (one.stream, one.day) not in kept:
                    self._rolled.pop((one.stream, one.day), None)

    def _add_new_streams(self, now: float) -> None:
        """For streams new since the start: mark days from the last stored one, or from the first measured hour."""
        if 0 < now - self._looked_at < _NEW_STREAMS_EVERY:
            return
        self._looked_at = now
        with self._store.read() as connection:
            last = stream_rows.last(connection)
            if self._known is not None and last == self._last:
                return
            self._last = last
            streams = set(stream_rows.streams(connection))
            if self._known is not None and streams <= self._known:
                return
            new = streams - (self._known or set())
            days = daily_summaries.last_days(connection)
            hours = measurements.first_starts(connection, new - days.keys(), HOUR)
        with self._lock:
            for stream in new:
                today = self._day(stream, now)
                first = days.get(stream) or self._first(stream, hours.get(stream), today)
                first = max(first, today - timedelta(days=MOST_PAST_DAYS))
                span = range((today - first).days + 1)
                self._changed |= {(stream, first + timedelta(days=offset)) for offset in span}
            self._known = streams

    def _first(self, stream: Stream, hour: int | None, today: date) -> date:
        """The first day to roll up for a stream, from its oldest measured hour."""
        return today if hour is None else self._day(stream, hour)

    def _settings(self, stream: Stream) -> ClientSettings:
        return self._clients.get(stream.client, _NOT_CONFIGURED)

    def _day(self, stream: Stream, at: float) -> date:
        return datetime.fromtimestamp(at, self._settings(stream).zone).date()


@lru_cache(1024)
def bounds(day: date, zone: ZoneInfo) -> tuple[float, float]:
    """A local day in seconds since the epoch: 23, 24 or 25 hours."""
    start = datetime.combine(day, datetime.min.time(), zone)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return start.timestamp(), end.timestamp()


def roll_up(
    connection: Connection, stream: Stream, day: date, settings: ClientSettings, now: float
) -> DayFigures:
    """Summarize a local day from its hours: sums of counts, and means weighted by sample size."""
    start, end = bounds(day, settings.zone)
    candidates = targets.quality_metrics(settings.view(stream.model))
    estimates = [wording.ESTIMATES[metric] for metric in candidates if metric in wording.ESTIMATES]
    metrics = {"volume", "error_rate", "latency_p50", *candidates, *estimates}
    series = timeseries.load_plain(connection, stream, metrics, HOUR, start, end)
    errors, latency = _weighted(series["error_rate"]), _weighted(series["latency_p50"])
    metric, quality, is_estimated = _quality(candidates, series)
    return DayFigures(
        stream,
        day,
        float(np.nansum(series["volume"].values)),
        round(errors.total),
        metric,
        quality.mean,
        quality.n,
        is_estimated,
        latency.mean,
        now,
    )


@dataclass(frozen=True, slots=True)
class _WeightedSum:
    """The sum of a figure's values, each multiplied by its sample size, and `n`, the sum of the sample sizes."""

    total: float = 0.0
    n: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean by sample size; None if nothing was measured."""
        return self.total / self.n if self.n else None


def _weighted(series: Series) -> _WeightedSum:
    known = np.isfinite(series.values) & (series.n > 0)
    weight = series.n[known]
    return _WeightedSum(float((series.values[known] * weight).sum()), float(weight.sum()))


def _quality(candidates: Sequence[str], series: Mapping[str, Series]) -> tuple[str, _WeightedSum, bool]:
    """The first measured quality metric with its values, else the first estimated one, and whether it is estimated."""
    for metric in candidates:
        if (measured := _weighted(series[metric])).n:
            return metric, measured, False
    for metric in candidates:
        if metric in wording.ESTIMATES and (estimate := _weighted(series[wording.ESTIMATES[metric]])).n:
            return metric, estimate, True
    return "", _WeightedSum(), False
