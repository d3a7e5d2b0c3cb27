"""Day summaries, kept up to date as windows are measured: a day is rolled up from the figures of its hours."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from monitor.health import wording
from monitor.health.settings import ClientSettings
from monitor.records import Labels, Stream, Window
from monitor.store import days, register, timeseries
from monitor.store.days import DayFigures
from monitor.store.db import Store

HOUR = 3600
FIRST_LOOK_DAYS = 90
TODAY_EVERY = 60.0
EARLIER_EVERY = 60.0


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
        """Roll up the days that changed, today at most once a minute and others once in ten; how many there were."""
        self._look_first(now)
        due = self._due(now)
        for stream, day in due:
            with self._store.read() as connection:
                figures = roll(connection, stream, day, self._settings(stream), now)
            if figures.decisions or figures.quality is not None:
                with self._store.write() as connection:
                    days.put(connection, [figures])
        return len(due)

    def _due(self, now: float) -> list[tuple[Stream, date]]:
        with self._lock:
            due = []
            for stream, day in sorted(self._changed):
                pause = TODAY_EVERY if day == self._day(stream, now) else EARLIER_EVERY
                if now - self._rolled.get((stream, day), float("-inf")) >= pause:
                    due.append((stream, day))
                    self._rolled[stream, day] = now
            self._changed -= set(due)
            return due

    def _look_first(self, now: float) -> None:
        """After a start: days since the last known one, or the last months of a stream that has none."""
        with self._store.read() as connection:
            streams = set(register.streams(connection))
            if self._known is not None and streams <= self._known:
                return
            last = days.last_days(connection)
        with self._lock:
            for stream in streams - (self._known or set()):
                today = self._day(stream, now)
                first = last.get(stream, today - timedelta(days=FIRST_LOOK_DAYS))
                span = range((today - first).days + 1)
                self._changed |= {(stream, first + timedelta(days=offset)) for offset in span}
            self._known = streams

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

    def read(metric: str, of: Labels) -> tuple[float, float]:
        series = timeseries.load(connection, stream, metric, HOUR, start, end, of)
        known = np.isfinite(series.values) & (np.asarray(series.n) > 0)
        weight = np.asarray(series.n)[known]
        return float((series.values[known] * weight).sum()), float(weight.sum())

    volume = timeseries.load(connection, stream, "volume", HOUR, start, end)
    decisions = float(np.nansum(volume.values)) if len(volume.values) else 0.0
    errors, _ = read("error_rate", ())
    latency, answered = read("latency_p50", ())
    metric, total, n, estimated = _quality(stream, settings, read)
    return DayFigures(
        stream,
        day,
        decisions,
        round(errors),
        metric,
        total / n if n else None,
        n,
        estimated,
        latency / answered if answered else None,
        now,
    )


def _quality(
    stream: Stream, settings: ClientSettings, read: Callable[[str, Labels], tuple[float, float]]
) -> tuple[str, float, float, bool]:
    """The figure that stands for quality: the chosen or first measured one, else its estimate."""
    chosen = settings.view(stream.model).quality
    candidates = (chosen,) if chosen else wording.QUALITY
    for metric in candidates:
        total, n = read(metric, ())
        if n:
            return metric, total, n, False
    for metric in candidates:
        if metric in wording.ESTIMATES:
            total, n = read(wording.ESTIMATES[metric], ())
            if n:
                return metric, total, n, True
    return "", 0.0, 0.0, False
