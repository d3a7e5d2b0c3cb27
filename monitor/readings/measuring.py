"""Which windows are measured at a tick, from which profiles, and what the rules get to read.

Base windows are measured once they are closed, and again when late rows touch them. Each length that a rule asks for
is measured anew when a base window closes; the last seconds at every tick, for what is cheap and urgent. Hours and
days are stored for pages and digests.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.metrics import FAMILIES, LIVE, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.readings.past import Past
from monitor.readings.recent import Recent
from monitor.readings.wallclock import WallClock
from monitor.records import DAEMON, Measurement, Stream, Window
from monitor.rules.readings import OPEN, Readings
from monitor.store import measurements as stored
from monitor.store import predictions
from monitor.store.db import Store
from monitor.store.predictions import StreamFigures
from monitor.windows import cut
from monitor.windows.baseline import load
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings

HOUR, DAY = 3600, 86400
_RECENT = 2 * HOUR
"""Base windows older than this are not measured one by one, only their hours and days: history, very late rows."""

Touched = Iterable[tuple[Stream, Window]]


@dataclass(slots=True)
class _Progress:
    """What is known of a stream between ticks: up to when it is closed, and what was measured last."""

    closed_until: int
    readings: dict[int, list[Measurement]] = field(default_factory=dict)


class Measuring:
    """Turns the profiles that a tick touched into measurements, and keeps those that rules read again."""

    def __init__(
        self,
        store: Store,
        base_seconds: int,
        windows: WindowSettings,
        metrics: MetricSettings,
        recent: Recent,
        wall: WallClock,
    ) -> None:
        self.store = store
        self.base = base_seconds
        self.windows = windows
        self.metrics = metrics
        self.recent = recent
        self.wall = wall
        self.on_measured: Callable[[Iterable[tuple[Stream, Window]]], object] = lambda _: None
        self.last: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        self._progress: dict[Stream, _Progress] = {}

    def measure(
        self, touched: Touched, lengths: Iterable[int], about_itself: Sequence[Measurement], now: float
    ) -> Readings:
        """Measure what was touched or closed since the last call; return all that rules may read.

        `lengths` are the windows that rules look at, in seconds (`OPEN` for what just came in).
        """
        wanted = sorted({length for length in lengths if length != OPEN} | {self.base})
        by_stream: dict[Stream, list[Window]] = {}
        for stream, window in touched:
            by_stream.setdefault(stream, []).append(window)
        with self.store.read() as connection:
            everything = predictions.figures_of_all(connection)
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        for figures in everything:
            progress = self._stream(figures, by_stream.get(figures.stream, []), wanted, now)
            wall = self.wall.measure(figures, now)
            for length in (OPEN, *wanted):
                measured[figures.stream, length] = [*progress.readings.get(length, ()), *wall]
        for length in (OPEN, *wanted):
            measured[DAEMON, length] = about_itself
        self.last = measured
        return Readings(measured, Past(self.store))

    def _stream(
        self, figures: StreamFigures, touched: list[Window], lengths: Sequence[int], now: float
    ) -> _Progress:
        stream = figures.stream
        until = cut.horizon(figures.watermark, figures.last_received, now, self.windows)
        edge = cut.last(until, self.base, self.base).end
        progress = self._progress.get(stream)
        is_new = progress is None
        if progress is None:
            progress = self._progress[stream] = _Progress(edge - self.base)
        closed = _closed(touched, progress.closed_until, edge, self.base)
        if closed or is_new:
            with self.store.write() as connection:
                work = _Work(self, connection, stream, edge, now)
                work.closed(closed)
                if progress.closed_until < edge or is_new:
                    for length in lengths:
                        progress.readings[length] = work.full(Window(edge - length, edge))
            progress.closed_until = edge
            self.on_measured((stream, window) for window in closed)
        progress.readings[OPEN] = self._live(stream, now)
        return progress

    def _live(self, stream: Stream, now: float) -> list[Measurement]:
        """What is cheap and urgent of the last seconds; nothing where nothing came in."""
        recent = self.recent.profile(stream, now)
        if recent is None:
            return []
        window, profile = recent
        with self.store.read() as connection:
            baseline = load(connection, stream)
        return measure(Subject(stream, window, profile, baseline, self.metrics), LIVE)


class _Work:
    """The measuring of one stream in one transaction."""

    def __init__(
        self, parent: Measuring, connection: Connection, stream: Stream, edge: int, now: float
    ) -> None:
        self.parent, self.connection, self.stream, self.edge, self.now = parent, connection, stream, edge, now
        self.baseline = load(connection, stream)
        self.rolling = Rolling(connection, parent.base, settled=edge, now=now)

    def closed(self, windows: Sequence[Window]) -> None:
        """Measure and store closed base windows, their hours (the running one too), and whole days."""
        for window in windows:
            if window.start >= self.now - _RECENT:
                self._store(window)
        for hour in sorted({cut.window_of(window.start, HOUR) for window in windows}):
            self._store(hour)
        for day in sorted({cut.window_of(window.start, DAY) for window in windows}):
            if day.end <= self.edge:
                self._store(day)

    def full(self, window: Window) -> list[Measurement]:
        """Every figure of a window."""
        profile = self.rolling.profile(self.stream, window)
        return measure(Subject(self.stream, window, profile, self.baseline, self.parent.metrics), FAMILIES)

    def _store(self, window: Window) -> None:
        stored.put(self.connection, self.stream, window, self.full(window), self.now)


def _closed(touched: list[Window], closed_until: int, edge: int, base: int) -> list[Window]:
    """Base windows to measure: those that closed since the last time, and closed ones that late rows touched."""
    new = cut.between(closed_until, edge, base)
    return sorted({*new, *cut.closed(touched, edge)})
