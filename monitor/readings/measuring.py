"""What is measured at a tick, and what the rules get to read.

Base windows are measured once they are closed, and again when late rows touch them, with the hour they lie in. Each
length that a rule asks for is measured anew when a base window closes; the last seconds at every tick, for what is
cheap and urgent.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.drift.settings import DriftSettings
from monitor.drift.watch import watch
from monitor.metrics import FAMILIES, LIVE, Family, Subject, families_of, measure
from monitor.metrics.settings import MetricSettings
from monitor.readings.past import Past
from monitor.readings.recent import Recent
from monitor.readings.wallclock import WallClock
from monitor.records import DAEMON, Measurement, Stream, Window
from monitor.rules.readings import OPEN, Readings
from monitor.store import measurements as stored
from monitor.store import predictions, unmeasured
from monitor.store.db import Store
from monitor.store.predictions import StreamFigures
from monitor.windows import cut
from monitor.windows.baseline import load
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings

HOUR, DAY = 3600, 86400
Wanted = Mapping[int, Sequence[Family]]
_RECENT = 2 * HOUR
"""Base windows older than this are not measured one by one, only their hours: history, very late rows."""
_OLD_HOURS = 25
"""Older hours of one stream that a tick measures at most: history must not keep the present waiting."""


@dataclass(slots=True)
class _Progress:
    """What is known of a stream between ticks: up to when it is closed, and what was measured last."""

    closed_until: int
    readings: dict[int, list[Measurement]] = field(default_factory=dict)
    drift: Sequence[Measurement] = ()
    hours: set[int] = field(default_factory=set)


class Measuring:
    """Turns the profiles that a tick touched into measurements, and keeps those that rules read again."""

    def __init__(
        self,
        store: Store,
        base_seconds: int,
        windows: WindowSettings,
        metrics: MetricSettings,
        drift: DriftSettings,
        recent: Recent,
        wall: WallClock,
    ) -> None:
        self.store = store
        self.base = base_seconds
        self.windows = windows
        self.metrics = metrics
        self.drift = drift
        self.recent = recent
        self.wall = wall
        self.on_measured: Callable[[Iterable[tuple[Stream, Window]]], object] = lambda _: None
        self.last: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        self._progress: dict[Stream, _Progress] = {}

    def measure(
        self, read: Mapping[int, Collection[str]], about_itself: Sequence[Measurement], now: float
    ) -> Readings:
        """Measure what changed or closed since the last call; return all that rules may read.

        `read` says which metrics rules read over which window length, in seconds (`OPEN` for what just came in).
        """
        wanted = {length: families_of(read[length]) for length in sorted(read) if length != OPEN}
        wanted[self.base] = FAMILIES
        with self.store.read() as connection:
            everything = predictions.figures_of_all(connection)
            changed = unmeasured.load(connection)
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        for figures in everything:
            progress = self._stream(figures, changed.get(figures.stream, []), wanted, len(everything), now)
            wall = self.wall.measure(figures, now)
            for length in (OPEN, *wanted):
                measured[figures.stream, length] = [
                    *progress.readings.get(length, ()),
                    *progress.drift,
                    *wall,
                ]
        for length in (OPEN, *wanted):
            measured[DAEMON, length] = about_itself
        self.last = measured
        return Readings(measured, Past(self.store))

    def _stream(
        self, figures: StreamFigures, changed: list[Window], wanted: Wanted, models: int, now: float
    ) -> _Progress:
        stream = figures.stream
        until = cut.horizon(figures.watermark, figures.last_received, now, self.windows)
        edge = cut.last(until, self.base, self.base).end
        progress = self._progress.get(stream) or _Progress(edge - self.base)
        newly = cut.between(progress.closed_until, edge, self.base)
        for hour, windows in _hours({*newly, *cut.closed(changed, edge)}, now):
            self._store_hour(stream, hour, windows, progress, edge, now)
        if newly or stream not in self._progress:
            with self.store.write() as connection:
                work = _Work(self, connection, stream, edge, now)
                for length, families in wanted.items():
                    if length not in progress.readings or self._is_due(length, edge):
                        progress.readings[length] = work.measure(Window(edge - length, edge), families)
                progress.drift = work.drift(until, models)
            progress.closed_until = max(edge, progress.closed_until)
        progress.readings[OPEN] = self._live(stream, now)
        self._progress[stream] = progress
        return progress

    def _is_due(self, length: int, edge: int) -> bool:
        """A window is measured again when a twentieth of it is new: a day need not be looked at every minute."""
        return edge // self.base % max(1, length // self.base // 20) == 0

    def _store_hour(
        self, stream: Stream, hour: Window, windows: list[Window], progress: _Progress, edge: int, now: float
    ) -> None:
        """Measure the windows of one hour that changed, and the hour itself; the running hour, now and then."""
        with self.store.write() as connection:
            work = _Work(self, connection, stream, edge, now)
            for window in windows:
                if window.start >= now - _RECENT:
                    work.store(window)
            if hour.end <= edge or self._is_due(HOUR, edge) or hour.start not in progress.hours:
                work.store(hour)
                progress.hours = {
                    hour.start,
                    *(start for start in progress.hours if start > hour.start - DAY),
                }
            unmeasured.remove(connection, stream, windows)
        self.on_measured((stream, window) for window in windows)

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
        self.parent, self.connection, self.stream, self.now = parent, connection, stream, now
        self.baseline = load(connection, stream)
        self._measured: dict[tuple[Window, Sequence[Family]], list[Measurement]] = {}
        self.rolling = Rolling(connection, parent.base, settled=edge, now=now)

    def measure(self, window: Window, families: Sequence[Family] = FAMILIES) -> list[Measurement]:
        """The figures of a window; what was measured in this transaction already is not measured again."""
        if (window, families) not in self._measured:
            profile = self.rolling.profile(self.stream, window)
            subject = Subject(self.stream, window, profile, self.baseline, self.parent.metrics)
            self._measured[window, families] = measure(subject, families)
        return self._measured[window, families]

    def drift(self, until: float, models: int) -> Sequence[Measurement]:
        """What the drift decision says; it stays in force until its next, longer window closes."""
        settings, base = self.parent.drift, self.parent.base
        return watch(self.connection, self.stream, settings, base, until, self.now, models).measurements

    def store(self, window: Window) -> None:
        """Measure a window, and write it down in place of what was known of it."""
        stored.put(self.connection, self.stream, window, self.measure(window), self.now)


def _hours(windows: Iterable[Window], now: float) -> list[tuple[Window, list[Window]]]:
    """The windows by the hour they lie in, newest hour first; of the older hours only some."""
    hours: dict[Window, list[Window]] = {}
    for window in sorted(windows):
        hours.setdefault(cut.window_of(window.start, HOUR), []).append(window)
    newest_first = sorted(hours.items(), reverse=True)
    recent = [one for one in newest_first if one[0].end >= now - _RECENT]
    return recent + newest_first[len(recent) :][:_OLD_HOURS]
