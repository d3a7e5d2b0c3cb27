"""What is measured at a tick, and what the rules get to read.

Base windows are measured once they are closed, and again when late rows touch them, with the hour they lie in. Each
length that a rule asks for is measured anew when a base window closes; the last seconds at every tick, for what is
cheap and urgent.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.block import Block, Gathered
from monitor.drift.settings import DriftSettings
from monitor.drift.watch import is_due, watch
from monitor.metrics import FAMILIES, LIVE, Family, Subject, families_of, measure
from monitor.metrics.settings import MetricSettings
from monitor.readings.against import Against
from monitor.readings.findings import HOUR, Finder, Findings, Means, put_down
from monitor.readings.past import Past
from monitor.readings.recent import Recent
from monitor.readings.wallclock import WallClock
from monitor.records import DAEMON, Measurement, Stream, Window
from monitor.rules.readings import OPEN, Readings
from monitor.store import register, unmeasured
from monitor.store.db import Store
from monitor.store.register import StreamFigures
from monitor.windows import cut
from monitor.windows.baseline import load
from monitor.windows.settings import BaselineSettings, WindowSettings

DAY = 86400
Wanted = Mapping[int, Sequence[Family]]
_RECENT = 2 * HOUR
"""Base windows older than this are not measured one by one, only their hours: history, very late rows."""
_OLD_HOURS = 25
"""Older hours of one stream that a tick measures at most: history must not keep the present waiting."""


_STREAMS = 4
"""Streams of one transaction: a commit costs a write to disk, and whoever sends predictions waits for it to end."""


@dataclass(slots=True)
class _Progress:
    """What is known of a stream between ticks: up to when it is closed, and what was measured last."""

    closed_until: int
    readings: dict[int, Block] = field(default_factory=dict)
    drift: Sequence[Measurement] = ()
    hours: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be measured of a stream: hours with their windows, newest first, and whether a window closed since.

    `until` is up to when event time is closed, `edge` the end of the last base window that is.
    """

    stream: Stream
    until: float
    edge: int
    hours: Sequence[tuple[Window, Sequence[Window]]]
    is_moved: bool

    @property
    def is_much(self) -> bool:
        """Is it history, which is better not measured in one transaction with other streams?"""
        return len(self.hours) > 2


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
        self.past = Past(store)
        self.against = Against(lambda _: BaselineSettings(), metrics)
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
            everything = register.figures_of_all(connection)
            changed = unmeasured.load(connection)
        due = [self._due(figures, changed.get(figures.stream, []), now) for figures in everything]
        for some in _together([one for one in due if one.is_moved or one.hours]):
            self._measure(some, wanted, len(everything), now)
        live = self._live([figures.stream for figures in everything], now)
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        for figures in everything:
            progress = self._progress[figures.stream]
            always = [*progress.drift, *self.wall.measure(figures, now)]
            measured[figures.stream, OPEN] = Gathered([live.get(figures.stream, ()), always])
            for length in wanted:
                measured[figures.stream, length] = Gathered([progress.readings[length], always])
        for length in (OPEN, *wanted):
            measured[DAEMON, length] = about_itself
        self.last = measured
        return Readings(measured, self.past)

    def _due(self, figures: StreamFigures, changed: list[Window], now: float) -> _Due:
        """What a stream's windows need, from what is known of it."""
        stream = figures.stream
        until = cut.horizon(figures.watermark, figures.last_received, now, self.windows)
        edge = cut.last(until, self.base, self.base).end
        is_new = stream not in self._progress
        progress = self._progress.setdefault(stream, _Progress(edge - self.base))
        newly = cut.between(progress.closed_until, edge, self.base)
        hours = _hours({*newly, *cut.closed(changed, edge)}, now)
        return _Due(stream, until, edge, hours, bool(newly) or is_new)

    def _measure(self, some: Sequence[_Due], wanted: Wanted, models: int, now: float) -> None:
        """Measure what is due of some streams; where it is much, an hour at a time."""
        for due in some:
            for hour in due.hours if due.is_much else ():
                self._find_and_put_down([replace(due, hours=[hour], is_moved=False)], wanted, now)
        few = [replace(due, hours=()) if due.is_much else due for due in some]
        self._find_and_put_down(few, wanted, now)
        self._watch([due for due in some if due.is_moved], models, now)
        for due in some:
            if due.is_moved:
                progress = self._progress[due.stream]
                progress.closed_until = max(due.edge, progress.closed_until)
        self.on_measured(
            (due.stream, window) for due in some for _, windows in due.hours for window in windows
        )

    def _find_and_put_down(self, some: Sequence[_Due], wanted: Wanted, now: float) -> None:
        """Measure beside the others' writing, then write; what changed meanwhile is measured again while it cannot."""
        with self.store.read() as connection:
            found = [self._find(connection, due, wanted, now) for due in some]
        with self.store.write() as connection:
            for place, due in sorted(
                enumerate(some), key=lambda one: one[1].stream
            ):  # all in one order: no deadlock
                if not put_down(connection, found[place], now):
                    found[place] = self._find(connection, due, wanted, now)
                    put_down(connection, found[place], now)
        for one in found:
            self._remember(one, now)

    def _find(self, connection: Connection, due: _Due, wanted: Wanted, now: float) -> Findings:
        """Measure the windows that changed and their hours, and what rules read over longer windows."""
        progress = self._progress[due.stream]
        means = Means(self.base, self.metrics, self.against, self.wall)
        finder = Finder(means, connection, due.stream, due.edge, now)
        for hour, windows in due.hours:
            self._find_hour(finder, hour, windows, due.edge, now)
        for length, families in wanted.items() if due.is_moved else ():
            if length not in progress.readings or self._is_due(length, due.edge):
                window = Window(due.edge - length, due.edge)
                finder.found.readings[length] = finder.measure(window, families)
        return finder.finish()

    def _find_hour(
        self, finder: Finder, hour: Window, windows: Sequence[Window], edge: int, now: float
    ) -> None:
        """Measure the windows of one hour that changed, and the hour itself; the running hour, now and then."""
        for window in windows:
            if window.start >= now - _RECENT:
                finder.note(window)
        hours = self._progress[finder.found.stream].hours
        if hour.end <= edge or self._is_due(HOUR, edge) or hour.start not in hours:
            finder.note(hour)
            finder.found.hours.append(hour)
        finder.found.windows += windows

    def _remember(self, found: Findings, now: float) -> None:
        """Take note of what was written."""
        progress = self._progress[found.stream]
        progress.readings |= found.readings
        for hour in found.hours:
            if hour.end < now - HOUR:
                self.past.forget()
            recent = (start for start in progress.hours if start > hour.start - DAY)
            progress.hours = {hour.start, *recent}

    def _watch(self, some: Sequence[_Due], models: int, now: float) -> None:
        """Have drift decided; it stays in force until its next, longer window closes."""
        waiting: list[_Due] = []
        with self.store.read() as connection:
            for due in some:
                if is_due(connection, due.stream, self.drift, due.until):
                    waiting.append(due)
                else:
                    self._decide(connection, due, models, now)
        for due in waiting:
            with self.store.write() as connection:
                self._decide(connection, due, models, now)

    def _decide(self, connection: Connection, due: _Due, models: int, now: float) -> None:
        watched = watch(connection, due.stream, self.drift, self.base, due.until, now, models)
        self._progress[due.stream].drift = watched.measurements

    def _is_due(self, length: int, edge: int) -> bool:
        """A window is measured again when a twentieth of it is new: a day need not be looked at every minute."""
        return edge // self.base % max(1, length // self.base // 20) == 0

    def _live(self, streams: Sequence[Stream], now: float) -> dict[Stream, Block]:
        """What is cheap and urgent of the last seconds, of those streams for which something came in."""
        recent = {stream: kept for stream in streams if (kept := self.recent.profile(stream, now))}
        found: dict[Stream, Block] = {}
        with self.store.read() as connection:
            for stream, (window, profile) in recent.items():
                subject = Subject(stream, window, profile, load(connection, stream), self.metrics)
                found[stream] = measure(subject, LIVE)
        return found


def _together(due: Sequence[_Due]) -> Iterator[Sequence[_Due]]:
    """The streams that are measured in one transaction: a few, and alone those with much to measure."""
    yield from ([one] for one in due if one.is_much)
    few = [one for one in due if not one.is_much]
    yield from (few[at : at + _STREAMS] for at in range(0, len(few), _STREAMS))


def _hours(windows: Iterable[Window], now: float) -> list[tuple[Window, Sequence[Window]]]:
    """The windows by the hour they lie in, newest hour first; of the older hours only some."""
    hours: dict[Window, list[Window]] = {}
    for window in sorted(windows):
        hours.setdefault(cut.window_of(window.start, HOUR), []).append(window)
    newest_first: list[tuple[Window, Sequence[Window]]] = sorted(hours.items(), reverse=True)
    recent = [one for one in newest_first if one[0].end >= now - _RECENT]
    return recent + newest_first[len(recent) :][:_OLD_HOURS]
