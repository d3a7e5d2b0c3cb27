"""Measures the windows that changed in a tick, and returns what rules read.

Base windows are measured when they close, and again with their hour when late rows change them. Windows of each length
that rules read are measured when a base window closes; the last seconds at every tick.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR
from monitor.drift import evaluate as drift
from monitor.errors import StoreError
from monitor.evaluation import targets as target_judging
from monitor.evaluation.clock_metrics import ClockMetrics, is_unexplained
from monitor.evaluation.declines import DeclineDetector
from monitor.evaluation.past_measurements import PastMeasurements
from monitor.evaluation.recent_window import LastSeconds, RecentWindow
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.evaluation.stream_measurement import (
    MeasurementContext,
    MeasurerSettings,
    StreamMeasurements,
    StreamMeasurer,
    StreamProgress,
    commit,
    read_ahead,
)
from monitor.evaluation.targets import TargetJudge, with_targets
from monitor.evaluation.usual_latency import UsualLatency
from monitor.measurement_table import ConcatenatedTables, MeasurementTable
from monitor.metrics import Family, families_by_length
from monitor.metrics.system.daemon import AVAILABILITY
from monitor.records import DAEMON, Measurement, Stream, Window
from monitor.rules.engine.readings import OPEN, Readings
from monitor.runtime.faults import Isolation
from monitor.runtime.threads.preemption import preemptible
from monitor.store import measurement_queue
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetFigure
from monitor.windows import closing
from monitor.windows.due_windows import (
    MEASURED,
    NEW,
    RECENT,
    DueWindows,
    by_hour,
    is_due_again,
    together,
    with_first_hour,
)
from monitor.windows.profile import Profile
from monitor.windows.rolling import StoredBlocks
from monitor.windows.round_robin import RoundRobin, first_ones
from monitor.windows.settings import BaselineSettings

FamiliesByLength = Mapping[int, Sequence[Family]]
Beside = Callable[[float], Mapping[Stream, Sequence[Measurement]]]
"""Measures at a time what is not in records: gauges, releases."""
_LEAST_HOURS = 4
"""Hours of a stream with history that a tick measures however long they take."""
_STRETCH = 5.0
"""How many times longer a tick may measure many streams."""


class Measurer:
    """Measures the profiles that changed, and keeps the measurements that rules read again."""

    def __init__(
        self,
        store: Store,
        settings: MeasurerSettings,
        recent: RecentWindow,
        wall: ClockMetrics,
        against: ReferenceFigures | None = None,
        targets: TargetJudge | None = None,
        beside: Sequence[Beside] = (),
        on_measured: Callable[[Iterable[tuple[Stream, Window]]], object] = lambda _: None,
    ) -> None:
        self.store = store
        self.base = settings.base_seconds
        self._settings = settings
        self.recent = recent
        self.wall = wall
        self.past = PastMeasurements(store)
        self.against = against or ReferenceFigures(lambda _: BaselineSettings(), settings.metrics)
        self._on_measured = on_measured
        self.live: Mapping[Stream, MeasurementTable] = {}
        self.targets = targets or TargetJudge()
        self.declines = DeclineDetector(self.base, settings.metrics.tasks)
        self.usual = UsualLatency(self.base)
        self._beside = beside
        self.last: dict[tuple[Stream, int], Sequence[Measurement]] = {}
        self.recent_profiles: Mapping[Stream, Profile] = {}
        self.silent, self.uncounted = set[Stream](), set[Stream]()
        self._progress: dict[Stream, StreamProgress] = {}
        self._others: set[Stream] = set()
        self.round_robin = RoundRobin(settings.seconds, stretch=_STRETCH)
        self.last_seconds = LastSeconds(store, recent, settings.metrics, self.usual, settings.seconds)

    def add(self, stream: Stream, window: Window, counted: Profile, now: float) -> None:
        """Add newly counted rows to the last seconds, and outcomes to the detection of declines."""
        self.recent.add(stream, window, counted)
        self.declines.add(stream, window, counted, now)

    def measure(
        self,
        read: Mapping[int, Collection[str]],
        about_itself: Sequence[Measurement],
        now: float,
        is_mine: Callable[[Stream], bool] = lambda _stream: True,
        urgent: Sequence[Collection[Stream]] = (),
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Readings:
        """Measure what changed or closed since the last call. Returns everything that rules may read.

        `read` are the metrics that rules read, by length of window in seconds (`OPEN` for the last seconds). Only
        streams that are `is_mine` are measured; what is remembered of others is forgotten. `urgent` streams come first,
        the first group whatever the time, then those that receive records. `meanwhile` is called again and
        again while they are measured.
        """
        read = {length: metrics for length, metrics in read.items() if length != OPEN}
        wanted = families_by_length(read, self.base)
        with self.store.read() as connection:
            known = stream_rows.figures_of_all(connection)
            changed = measurement_queue.load(connection, is_mine)
        everything = self._mine(known, is_mine, now)
        due = []
        for figures in preemptible(everything):
            with self._isolated(figures.stream):
                due.append(self._due(figures, changed.get(figures.stream, []), now))
        first = (*urgent, self.recent.streams())
        self._measure_in_turn(due, wanted, first, len(known), now, meanwhile)
        streams = [figures.stream for figures in everything]
        self.live, self.recent_profiles = self.last_seconds.measure(streams, first, now)
        with self.store.faults.isolate("metrics", "sudden declines"), self.store.read() as connection:
            self.declines.advance(connection, now, self._settings.seconds)
        beside = {stream: some for stream, some in self._measure_beside(now).items() if is_mine(stream)}
        measured = {(stream, OPEN): some for stream, some in beside.items()}  # also without any record
        self.silent.clear()
        for figures in preemptible(everything):
            progress = self._progress.get(figures.stream, StreamProgress(0))
            always: list[Measurement] = [*progress.drift, *beside.get(figures.stream, ())]
            with self._isolated(figures.stream, "what the clock says"):
                always += self.wall.measure(figures, now)
                if is_unexplained(always):
                    self.silent.add(figures.stream)
            with self._isolated(figures.stream, "its targets"):
                always += self.declines.measure(figures.stream, now)
                always += target_judging.shortfalls(
                    figures.stream, self._judge(figures.stream, progress), now
                )
            measured[figures.stream, OPEN] = ConcatenatedTables([self.live.get(figures.stream, ()), always])
            for length in wanted:
                measured[figures.stream, length] = ConcatenatedTables(
                    [progress.readings.get(length, ()), always]
                )
        for length in (OPEN, *wanted) if is_mine(DAEMON) else ():
            measured[DAEMON, length] = [*about_itself, *beside.get(DAEMON, ())]
        self.last = measured
        return Readings(measured, self.past)

    def _measure_in_turn(
        self,
        due: Sequence[DueWindows],
        wanted: FamiliesByLength,
        urgent: Sequence[Collection[Stream]],
        models: int,
        now: float,
        meanwhile: Callable[[], object],
    ) -> None:
        """Measure the windows that are due, stream by stream, in the time that a tick has for them."""
        waiting = {one.stream: one for one in due if one.is_moved or one.hours}
        order = self.round_robin.start_tick(waiting.keys() - self.uncounted, urgent)
        least = first_ones(order, urgent)
        for some in together([waiting[one] for one in order], is_embedded=self.store.is_sqlite):
            self._attempt(some, wanted, models, now)
            self.round_robin.mark_served([one.stream for one in some])
            least -= len(some)
            if least <= 0 and self.round_robin.is_time_up():
                break
            meanwhile()

    def _mine(
        self, known: Sequence[StreamFigures], is_mine: Callable[[Stream], bool], now: float
    ) -> list[StreamFigures]:
        """The streams that are measured here. What another process measures now is forgotten, and what it measured
        before is taken over.
        """
        others = {figures.stream for figures in known if not is_mine(figures.stream)}
        for stream in others & self._progress.keys():
            del self._progress[stream]
        self.declines.change_hands(others, self._others - others, now)
        self.recent.forget(others)
        self._others = others
        return [figures for figures in known if figures.stream not in others]

    def _measure_beside(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        measured: dict[Stream, Sequence[Measurement]] = {}
        for number, measure_all in enumerate(self._beside):
            with self.store.faults.isolate("metrics", f"beside records: {number}"):
                for stream, some in measure_all(now).items():
                    measured[stream] = [*measured.get(stream, ()), *some]
        return measured

    def judged(self) -> dict[Stream, Sequence[TargetFigure]]:
        """The agreed targets of each measured stream, evaluated."""
        return {
            stream: progress.judged
            for stream, progress in self._progress.items()
            if progress.judged is not None
        }

    def _judge(self, stream: Stream, progress: StreamProgress) -> Sequence[TargetFigure]:
        if not progress.readings:
            return ()
        if progress.judged is None:
            by_length = {
                length: [*progress.readings.get(length, ()), *progress.probed.get(length, ())]
                if length in progress.probed
                else progress.readings.get(length, ())
                for length in target_judging.LENGTHS
            }
            progress.judged = self.targets.judge(stream, by_length)
        return progress.judged

    def _attempt(self, some: Sequence[DueWindows], wanted: FamiliesByLength, models: int, now: float) -> None:
        """Measure some streams; if that fails, each alone. A stream that cannot be measured has no measurements."""
        try:
            self._measure(some, wanted, models, now)
        except StoreError:
            raise
        except Exception:  # one stream must not stop the others
            for one in some:
                self._progress[one.stream].readings.clear()
                with self._isolated(one.stream):
                    self._measure([one], wanted, models, now)
        else:
            for one in some:
                self.store.faults.resolve("streams", str(one.stream))

    def _isolated(self, stream: Stream, what: str = "") -> Isolation:
        return self.store.faults.isolate("streams", f"{stream}: {what}" if what else str(stream))

    def _due(self, figures: StreamFigures, changed: list[Window], now: float) -> DueWindows:
        """The windows of a stream to measure."""
        stream, until = figures.stream, closing.horizon_of(figures, now, self._settings.windows)
        edge = closing.last(until, self.base, self.base).end
        progress = self._progress.setdefault(stream, StreamProgress(edge - self.base))
        if progress.closed_until > edge + self.base:
            progress.closed_until = edge  # the clock was set back: windows that close now are measured again
        newly = closing.between(progress.closed_until, edge, self.base, MEASURED // self.base)
        changes, is_moved = {*newly, *closing.closed(changed, edge)}, bool(newly or not progress.readings)
        hours = with_first_hour(by_hour(changes, now), figures, progress.hours, now)
        is_new = figures.first_received > now - NEW
        return DueWindows(stream, until, edge, hours, is_moved, frozenset(changed), is_new)

    def _measure(self, some: Sequence[DueWindows], wanted: FamiliesByLength, models: int, now: float) -> None:
        """Measure some streams; history one hour at a time."""
        some = [self._with_history(due, wanted, now) if due.is_much else due for due in some]
        without_history = [replace(due, hours=()) if due.is_much else due for due in some]
        self._measure_and_commit(without_history, wanted, now)
        self._watch([due for due in some if due.is_moved or due.hours], models, now)
        for due in some:
            if due.is_moved:
                progress = self._progress[due.stream]
                progress.closed_until = max(due.edge, progress.closed_until)

    def _with_history(self, due: DueWindows, wanted: FamiliesByLength, now: float) -> DueWindows:
        """Measure the hours of a stream with history, newest first, in the time that a tick has for them. Returns the
        stream with the hours that were measured.
        """
        measured: list[tuple[Window, Sequence[Window]]] = []
        until = time.monotonic() + self._settings.history_seconds
        for hour, windows in due.hours:
            can_wait = hour.end < now - RECENT and due.queued.issuperset(windows)
            if can_wait and len(measured) >= _LEAST_HOURS and time.monotonic() >= until:
                continue
            self._measure_and_commit([replace(due, hours=[(hour, windows)], is_moved=False)], wanted, now)
            measured.append((hour, windows))
        return replace(due, hours=measured)

    def _measure_and_commit(self, some: Sequence[DueWindows], wanted: FamiliesByLength, now: float) -> None:
        """Measure, then write in a transaction, in which a stream that changed in the meantime is measured again."""
        with self.store.read() as connection:
            windows = {due.stream: self._windows(due, wanted, now) for due in some}
            read = read_ahead(connection, self.base, windows)
            results = {
                due.stream: self._measure_stream(connection, due, wanted, now, read)
                for due in preemptible(some)
            }
        due_of = {due.stream: due for due in some}
        with self.store.write() as connection:
            for stale in commit(connection, list(results.values()), now):
                again = self._measure_stream(connection, due_of[stale.stream], wanted, now)
                results[stale.stream] = again
                commit(connection, [again], now)
        for result in results.values():
            self._remember(result, now)
        self._on_measured((result.stream, hour) for result in results.values() for hour in result.hours)

    def _windows(self, due: DueWindows, wanted: FamiliesByLength, now: float) -> list[Window]:
        """The windows that `_measure_stream` measures."""
        windows = [one for _, some in due.hours for one in some if one.start >= now - RECENT]
        windows += [hour for hour, _ in due.hours if self._is_hour_due(hour, due)]
        return windows + [due.newest(length, self.base) for length, _ in self._lengths(due, wanted)]

    def _measure_stream(
        self,
        connection: Connection,
        due: DueWindows,
        wanted: FamiliesByLength,
        now: float,
        read: StoredBlocks | None = None,
    ) -> StreamMeasurements:
        """Measure the changed windows of a stream, their hours, and the longer windows that rules read."""
        context = MeasurementContext(self.base, self._settings.metrics, self.against, self.wall, self.usual)
        measurer = StreamMeasurer(context, connection, due.stream, due.edge, now, read)
        for hour, windows in due.hours:
            self._measure_hour(measurer, hour, windows, due, now)
        agreed = self.targets.metrics(due.stream)
        for length, families in self._lengths(due, wanted):
            window = due.newest(length, self.base)
            measurer.result.readings[length] = measurer.measure(window, families)
            if AVAILABILITY.name in agreed:
                measurer.result.probed[length] = self.wall.of_window(connection, due.stream, window)
        return measurer.finish()

    def _lengths(self, due: DueWindows, wanted: FamiliesByLength) -> list[tuple[int, Sequence[Family]]]:
        """The lengths of the windows to measure that rules or targets read, with their families."""
        if not due.is_moved:
            return []
        progress, agreed = self._progress[due.stream], self.targets.metrics(due.stream)
        return [
            (length, families)
            for length, families in with_targets(wanted, agreed).items()
            if due.is_to_measure(length, self.base, progress.readings, progress.closed_until)
        ]

    def _is_hour_due(self, hour: Window, due: DueWindows) -> bool:
        """Whether an hour is measured: the current one only every few minutes, if it is not new."""
        progress = self._progress[due.stream]
        is_first = hour.end <= due.edge or hour.start not in progress.hours
        return is_first or due.is_new or is_due_again(HOUR, due.edge, progress.closed_until, self.base)

    def _measure_hour(
        self, measurer: StreamMeasurer, hour: Window, windows: Sequence[Window], due: DueWindows, now: float
    ) -> None:
        """Measure the changed windows of an hour, and the hour if it is due."""
        for window in windows:
            if window.start >= now - RECENT:
                measurer.measure_for_store(window)
        if self._is_hour_due(hour, due):
            measurer.measure_for_store(hour)
            measurer.result.hours.append(hour)
        measurer.result.windows += windows

    def _remember(self, written: StreamMeasurements, now: float) -> None:
        """Keep what was written."""
        progress = self._progress[written.stream]
        progress.readings |= {length: table.packed() for length, table in written.readings.items()}
        progress.probed |= written.probed
        progress.judged = None if written.readings else progress.judged
        for hour in written.hours:
            if hour.end < now - HOUR:
                self.past.forget()
            recent = (start for start in progress.hours if start > hour.start - DAY)
            progress.hours = {hour.start, *recent}

    def _watch(self, some: Sequence[DueWindows], models: int, now: float) -> None:
        """Evaluate drift. The result is valid until the next evaluation window closes, or rows of a closed one are
        counted: until then it waits.
        """
        waiting: list[DueWindows] = []
        with self.store.read() as connection:
            drift.read_ahead(connection, [due.stream for due in some])
            for due in some:
                if due.is_moved:
                    self._progress[due.stream].drift = ()
                with self.store.faults.isolate("streams", f"{due.stream}: drift", in_transaction=True):
                    if drift.is_due(connection, due.stream, self._settings.drift, due.until):
                        waiting.append(due)
                    elif due.is_moved:
                        self._decide(connection, due, models, now)
        for due in waiting:
            with self._isolated(due.stream, "drift"), self.store.write() as connection:
                self._decide(connection, due, models, now)

    def _decide(self, connection: Connection, due: DueWindows, models: int, now: float) -> None:
        watched = drift.evaluate(
            connection, due.stream, self._settings.drift, self.base, due.until, now, models
        )
        self._progress[due.stream].drift = watched.measurements
