"""Day summaries, kept up to date as windows are measured: a day is rolled up from the figures of its hours."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from monitor.health import wording
from monitor.health.settings import ClientSettings
from monitor.records import Stream, Window
from monitor.store import days, measurements, register, timeseries
from monitor.store.days import DayFigures
from monitor.store.db import Store
from monitor.store.timeseries import Series

HOUR = 3600
FIRST_LOOK_DAYS = 90
_EVERY = 60.0
_DAYS = 8
"""Days of one transaction: a commit costs a write to disk, and whoever sends predictions waits for it to end."""


class DayBook:
    """Knows which days have changed since they were last rolled up. Safe to call from several threads."""

    def __init__(self, store: Store, clients: Mapping[str, ClientSettings]) -> None:
        self._store = store
        self._clients = clients
        self._changed: set[tuple[Stream, date]] = set()
        self._rolled: dict[tuple[Stream, date], float] = {}
        self._known: set[Stream] | None = None
        self._lock = threading.Lock()

    def touch(self, touched: Iterable[tuple[Stream, Window]]) -> None:
        """Say that windows were measured (again)."""
        with self._lock:
            for stream, window in touched:
                self._changed.add((stream, self._day(stream, window.start)))

    def update(self, now: float) -> int:
        """Roll up the days that changed, each at most once a minute; how many there were."""
        self._look_first(now)
        due = self._due(now)
        for at in range(0, len(due), _DAYS):
            with self._store.read() as connection:
                rolled = [roll(connection, *one, self._settings(one[0]), now) for one in due[at : at + _DAYS]]
            told = [one for one in rolled if one.decisions or one.quality is not None]
            if told:
                with self._store.write() as connection:
                    days.put(connection, told)
        return len(due)

    def _due(self, now: float) -> list[tuple[Stream, date]]:
        with self._lock:
            due = []
            for stream, day in sorted(self._changed):
                if now - self._rolled.get((stream, day), float("-inf")) >= _EVERY:
                    due.append((stream, day))
                    self._rolled[stream, day] = now
            self._changed -= set(due)
            return due

    def _look_first(self, now: float) -> None:
        """After a start: days since the last known one, or of a stream that has none, since its first measured hour."""
        with self._store.read() as connection:
            streams = set(register.streams(connection))
            if self._known is not None and streams <= self._known:
                return
            new = streams - (self._known or set())
            last = days.last_days(connection)
            hours = {stream: measurements.first(connection, stream, HOUR) for stream in new - last.keys()}
        with self._lock:
            for stream in new:
                today = self._day(stream, now)
                first = last.get(stream) or self._first(stream, hours[stream], today)
                span = range((today - first).days + 1)
                self._changed |= {(stream, first + timedelta(days=offset)) for offset in span}
            self._known = streams

    def _first(self, stream: Stream, hour: int | None, today: date) -> date:
        """The first day worth looking at of a stream whose oldest measured hour this is."""
        oldest = today if hour is None else self._day(stream, hour)
        return max(oldest, today - timedelta(days=FIRST_LOOK_DAYS))

    def _settings(self, stream: Stream) -> ClientSettings:
        return self._clients.get(stream.client, ClientSettings())

    def _day(self, stream: Stream, at: float) -> date:
        return datetime.fromtimestamp(at, self._settings(stream).zone).date()


def bounds(day: date, zone: ZoneInfo) -> tuple[float, float]:
    """A local day in seconds since the epoch: 23, 24 or 25 hours."""
    start = datetime.combine(day, datetime.min.time(), zone)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return start.timestamp(), end.timestamp()


def roll(
    connection: Connection, stream: Stream, day: date, settings: ClientSettings, now: float
) -> DayFigures:
    """A day from the figures of its hours: sums of counts, means weighted by what they were taken of."""
    start, end = bounds(day, settings.zone)
    chosen = settings.view(stream.model).quality
    candidates = (chosen,) if chosen else wording.QUALITY
    estimates = [wording.ESTIMATES[metric] for metric in candidates if metric in wording.ESTIMATES]
    metrics = {"volume", "error_rate", "latency_p50", *candidates, *estimates}
    series = timeseries.load_plain(connection, stream, metrics, HOUR, start, end)
    errors, _ = _weighed(series["error_rate"])
    latency, answered = _weighed(series["latency_p50"])
    metric, total, n, estimated = _quality(candidates, series)
    return DayFigures(
        stream,
        day,
        float(np.nansum(series["volume"].values)),
        round(errors),
        metric,
        total / n if n else None,
        n,
        estimated,
        latency / answered if answered else None,
        now,
    )


def _weighed(series: Series) -> tuple[float, float]:
    """The sum of a figure times what it was taken of, and of what it was taken of."""
    known = np.isfinite(series.values) & (series.n > 0)
    weight = series.n[known]
    return float((series.values[known] * weight).sum()), float(weight.sum())


def _quality(candidates: Sequence[str], series: Mapping[str, Series]) -> tuple[str, float, float, bool]:
    """The figure that stands for quality: the chosen or first measured one, else its estimate."""
    for metric in candidates:
        total, n = _weighed(series[metric])
        if n:
            return metric, total, n, False
    for metric in candidates:
        if metric in wording.ESTIMATES:
            total, n = _weighed(series[wording.ESTIMATES[metric]])
            if n:
                return metric, total, n, True
    return "", 0.0, 0.0, False
