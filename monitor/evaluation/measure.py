"""What is measured at a tick, and what the rules get to read.

Base windows are measured once they are closed, and again when late rows touch them, with the hour they lie in. Each
length that a rule asks for is measured anew when a base window closes; the last seconds at every tick, for what is
cheap and urgent.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR
from monitor.drift.evaluate import evaluate, is_due
from monitor.drift.settings import DriftSettings
from monitor.errors import StoreError
from monitor.evaluation import targets as target_judging
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.declines import DeclineDetector
from monitor.evaluation.past_measurements import PastMeasurements
from monitor.evaluation.recent_window import RecentWindow
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.evaluation.stream_measurement import (
    MeasurementContext,
    StreamMeasurements,
    StreamMeasurer,
    commit,
)
from monitor.evaluation.targets import TargetJudge
from monitor.evaluation.usual_latency import UsualLatency
from monitor.measurement_table import ConcatenatedTables, MeasurementTable
from monitor.metrics import FAMILIES, LIVE, Family, Subject, families_of, measure
from monitor.metrics.settings import MetricSettings
from monitor.metrics.system.daemon import AVAILABILITY
from monitor.records import DAEMON, Measurement, Stream, Window
from monitor.rules.engine.readings import OPEN, Readings
from monitor.runtime.faults import Isolation
from monitor.store import measurement_queue
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetFigure
from monitor.windows import cut
from monitor.windows.baseline import load
from monitor.windows.profile import Profile
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import BaselineSettings, WindowSettings

MEASURING = 4.0
"""Seconds of a tick in which windows are measured. Those of the other streams are measured at the next ticks; what came
in during the last seconds is measured of all streams at each tick.
"""
Wanted = Mapping[int, Sequence[Family]]
_RECENT = 2 * HOUR
"""Base windows older than this are not measured one by one, only their hours: history, very late rows."""
_OLD_HOURS = 25
"""Older hours of one stream that a tick measures at most: history must not keep the present waiting."""
_MEASURED = int(_RECENT) + (_OLD_HOURS + 1) * HOUR
"""Seconds before the newest closed window in which windows that closed can be measured, by the limits above."""


_LONGEST_WAIT = 300
"""Seconds after which a window is measured again at the latest, however long it is."""
_STREAMS = 4
"""Streams of one transaction: a commit costs a write to disk, and whoever sends predictions waits for it to end."""


@dataclass(slots=True)
class _Progress:
    """What is known of a stream between ticks: up to when it is closed, and what was measured last."""

    closed_until: int
    readings: dict[int, MeasurementTable] = field(default_factory=dict)
    drift: Sequence[Measurement] = ()
    hours: set[int] = field(default_factory=set)
    probed: dict[int, Sequence[Measurement]] = field(default_factory=dict)
    judged: list[TargetFigure] | None = None


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


class Measurer:
    """Turns the profiles that a tick touched into measurements, and keeps those that rules read again."""

    def __init__(
        self,
        store: Store,
        base_seconds: int,
        windows: WindowSettings,
        metrics: MetricSettings,
        drift: DriftSettings,
        recent: RecentWindow,
        wall: ClockMetrics,
        against: ReferenceFigures | None = None,
        on_measured: Callable[[Iterable[tuple[Stream, Window]]], object] = lambda _: None,
        targets: TargetJudge | None = None,
        declines: DeclineDetector | None = None,
    ) -> None:
        self.store = store
        self.base = base_seconds
        self.windows = windows
        self.metrics = metrics
        self.drift = drift
        self.recent = recent
        self.wall = wall
        self.past = PastMeasurements(store)
        self.against = against or ReferenceFigures(lambda _: BaselineSettings(), metrics)
        self._on_measured = on_measured
        self.live: Collection[Stream] = ()
        self.targets = targets or TargetJudge()
        self.declines = declines or DeclineDetector(base_seconds)
        self.usual = UsualLatency(base_seconds)
        self.last: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        self.recent_profiles: Mapping[Stream, Profile] = {}
        self._progress: dict[Stream, _Progress] = {}
        self.round_robin = RoundRobin(MEASURING)

    def add(self, stream: Stream, window: Window, counted: Profile, now: float) -> None:
        """Take note of what was just counted into a window: of the last seconds, and of outcomes as they arrive."""
        self.recent.add(stream, window, counted)
        self.declines.add(stream, window, counted, now)

    def measure(
        self, read: Mapping[int, Collection[str]], about_itself: Sequence[Measurement], now: float
    ) -> Readings:
        """Measure what changed or closed since the last call; return all that rules may read.

        `read` says which metrics rules read over which window length, in seconds (`OPEN` for what just came in).
        """
        wanted = {length: families_of(read[length]) for length in sorted(read) if length != OPEN}
        wanted[self.base] = FAMILIES
        with self.store.read() as connection:
            everything = stream_rows.figures_of_all(connection)
            changed = measurement_queue.load(connection)
        due = []
        for figures in everything:
            with self._isolated(figures.stream):
                due.append(self._due(figures, changed.get(figures.stream, []), now))
        waiting = {one.stream: one for one in due if one.is_moved or one.hours}
        for some in _together([waiting[stream] for stream in self.round_robin.start_tick(waiting)]):
            self._attempt(some, wanted, len(everything), now)
            self.round_robin.mark_served([one.stream for one in some])
            if self.round_robin.is_time_up():
                break
        self.live = live = self._live([figures.stream for figures in everything], now)
        with self.store.faults.isolate("metrics", "sudden declines"), self.store.read() as connection:
            self.declines.advance(connection, now)
        measured: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        for figures in everything:
            progress = self._progress.get(figures.stream, _Progress(0))
            always: list[Measurement] = [*progress.drift]
            with self._isolated(figures.stream, "what the clock says"):
                always += self.wall.measure(figures, now)
            with self._isolated(figures.stream, "its targets"):
                always += self.declines.measure(figures.stream, now)
                always += target_judging.shortfalls(
                    figures.stream, self._judge(figures.stream, progress), now
                )
            measured[figures.stream, OPEN] = ConcatenatedTables([live.get(figures.stream, ()), always])
            for length in wanted:
                measured[figures.stream, length] = ConcatenatedTables(
                    [progress.readings.get(length, ()), always]
                )
        for length in (OPEN, *wanted):
            measured[DAEMON, length] = about_itself
        self.last = measured
        return Readings(measured, self.past)

    def judged(self) -> dict[Stream, Sequence[TargetFigure]]:
        """How the agreed targets stand of each stream that was measured."""
        return {
            stream: progress.judged
            for stream, progress in self._progress.items()
            if progress.judged is not None
        }

    def _judge(self, stream: Stream, progress: _Progress) -> Sequence[TargetFigure]:
        if not progress.readings:
            return ()
        if progress.judged is None:
            found = {
                length: [*progress.readings.get(length, ()), *progress.probed.get(length, ())]
                if length in progress.probed
                else progress.readings.get(length, ())
                for length in target_judging.LENGTHS
            }
            progress.judged = self.targets.judge(stream, found)
        return progress.judged

    def _attempt(self, some: Sequence[_Due], wanted: Wanted, models: int, now: float) -> None:
        """Measure some streams; where that fails, each by itself. Of one that cannot be measured nothing is known."""
        try:
            self._measure(some, wanted, models, now)
        except StoreError:
            raise
        except Exception:  # one stream's rows must not keep the others from being measured
            for one in some:
                self._progress[one.stream].readings.clear()
                with self._isolated(one.stream):
                    self._measure([one], wanted, models, now)
        else:
            for one in some:
                self.store.faults.resolve("streams", str(one.stream))

    def _isolated(self, stream: Stream, what: str = "") -> Isolation:
        return self.store.faults.isolate("streams", f"{stream}: {what}" if what else str(stream))

    def _due(self, figures: StreamFigures, changed: list[Window], now: float) -> _Due:
        """What a stream's windows need, from what is known of it."""
        stream = figures.stream
        until = cut.horizon(figures.watermark, figures.last_received, now, self.windows)
        edge = cut.last(until, self.base, self.base).end
        progress = self._progress.setdefault(stream, _Progress(edge - self.base))
        is_new = not progress.readings
        if progress.closed_until > edge + self.base:
            progress.closed_until = edge  # the clock was set back: what closes now is measured again
        newly = cut.between(progress.closed_until, edge, self.base, _MEASURED // self.base)
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
        self._on_measured(
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
                if not commit(connection, found[place], now):
                    found[place] = self._find(connection, due, wanted, now)
                    commit(connection, found[place], now)
        for one in found:
            self._remember(one, now)

    def _find(self, connection: Connection, due: _Due, wanted: Wanted, now: float) -> StreamMeasurements:
        """Measure the windows that changed and their hours, and what rules read over longer windows."""
        progress = self._progress[due.stream]
        means = MeasurementContext(self.base, self.metrics, self.against, self.wall, self.usual)
        finder = StreamMeasurer(means, connection, due.stream, due.edge, now)
        for hour, windows in due.hours:
            self._find_hour(finder, hour, windows, due.edge, now)
        agreed = self.targets.metrics(due.stream)
        for length, families in _with_targets(wanted, agreed).items() if due.is_moved else ():
            if length not in progress.readings or self._is_due(length, due.edge):
                window = Window(due.edge - length, due.edge)
                finder.found.readings[length] = finder.measure(window, families)
                if AVAILABILITY.name in agreed:
                    finder.found.probed[length] = self.wall.of_window(connection, due.stream, window)
        return finder.finish()

    def _find_hour(
        self, finder: StreamMeasurer, hour: Window, windows: Sequence[Window], edge: int, now: float
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

    def _remember(self, found: StreamMeasurements, now: float) -> None:
        """Take note of what was written."""
        progress = self._progress[found.stream]
        progress.readings |= found.readings
        progress.probed |= found.probed
        progress.judged = None if found.readings else progress.judged
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
                self._progress[due.stream].drift = ()
                with self.store.faults.isolate("streams", f"{due.stream}: drift", in_transaction=True):
                    if is_due(connection, due.stream, self.drift, due.until):
                        waiting.append(due)
                    else:
                        self._decide(connection, due, models, now)
        for due in waiting:
            with self._isolated(due.stream, "drift"), self.store.write() as connection:
                self._decide(connection, due, models, now)

    def _decide(self, connection: Connection, due: _Due, models: int, now: float) -> None:
        watched = evaluate(connection, due.stream, self.drift, self.base, due.until, now, models)
        self._progress[due.stream].drift = watched.measurements

    def _is_due(self, length: int, edge: int) -> bool:
        """A window is measured again when a twentieth of it is new, or a few minutes have passed."""
        return edge // self.base % max(1, min(length // 20, _LONGEST_WAIT) // self.base) == 0

    def _live(self, streams: Sequence[Stream], now: float) -> dict[Stream, MeasurementTable]:
        """What is cheap and urgent of the last seconds, of those streams for which something came in."""
        found: dict[Stream, MeasurementTable] = {}
        recent: dict[Stream, Profile] = {}
        with self.store.read() as connection:
            for stream in streams:
                with self.store.faults.isolate("streams", f"{stream}: its last seconds", in_transaction=True):
                    if kept := self.recent.profile(stream, now):
                        recent[stream] = kept[1]
                        baseline = load(connection, stream)
                        usual = self.usual.of(connection, stream, baseline, now)
                        subject = Subject(stream, *kept, baseline, self.metrics, usual)
                        found[stream] = measure(subject, LIVE)
        self.recent_profiles = recent
        return found


def _with_targets(wanted: Wanted, agreed: Collection[str]) -> Wanted:
    """What rules read of a stream, and what its agreed targets are judged by, by length of window."""
    own = families_of(agreed)
    if not agreed:
        return wanted
    return {
        length: tuple(
            one
            for one in FAMILIES
            if one in wanted.get(length, ()) or (length in target_judging.LENGTHS and one in own)
        )
        for length in sorted({*wanted, *target_judging.LENGTHS})
    }


def _together(due: Sequence[_Due]) -> Iterator[Sequence[_Due]]:
    """The streams that are measured in one transaction, in order: a few, and alone those with much to measure."""
    some: list[_Due] = []
    for one in due:
        if some and (one.is_much or some[0].is_much or len(some) == _STREAMS):
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _hours(windows: Iterable[Window], now: float) -> list[tuple[Window, Sequence[Window]]]:
    """The windows by the hour they lie in, newest hour first; of the older hours only some."""
    hours: dict[Window, list[Window]] = {}
    for window in sorted(windows):
        hours.setdefault(cut.window_of(window.start, HOUR), []).append(window)
    newest_first: list[tuple[Window, Sequence[Window]]] = sorted(hours.items(), reverse=True)
    recent = [one for one in newest_first if one[0].end >= now - _RECENT]
    return recent + newest_first[len(recent) :][:_OLD_HOURS]
