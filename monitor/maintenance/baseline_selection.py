"""Keeps the baseline of each stream as its configuration says, or makes one from its first predictions."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from sqlalchemy import Connection

from monitor.childprocess import HERE, Failed, Runner
from monitor.clock import iso
from monitor.config.sections import format_size
from monitor.config.units import DAY, HOUR
from monitor.maintenance.baseline_completion import CompletionTask, complete, lacking, mark
from monitor.records import Stream
from monitor.store import audit, outcomes, predictions, profiles
from monitor.store import baselines as stored
from monitor.store import streams as stream_rows
from monitor.store.baselines import InForce
from monitor.store.db import Store
from monitor.store.streams import StreamFigures
from monitor.windows import baseline
from monitor.windows.baseline import Baseline, EncodedBaseline
from monitor.windows.declared.baseline_definitions import NOTHING, DeclaredBaseline
from monitor.windows.layout.from_table import BARE
from monitor.windows.recount import recount
from monitor.windows.settings import BaselineSettings, WindowSettings

log = logging.getLogger(__name__)

_NEW_SECONDS = 600.0
"""For so long a baseline counts as new."""
_LOOK_SECONDS = 1.0
"""Seconds of an update for finding streams that an earlier process did not recount to the end."""
_UNMATCHED = 0.05
"""The share of predictions not yet searched for outcomes, and of waiting outcomes, beyond which a baseline waits:
made from the rows of a past without their outcomes, it would know no accuracy.
"""
_ACCEPTED = "accepted"
"""Prefix of the source of a baseline that a person accepted. No file or period of the configuration replaces it."""


@dataclass(frozen=True, slots=True)
class BaselineTask:
    """A baseline to make: from the file of the settings or, if they name none, from the period `span`."""

    stream: Stream
    settings: BaselineSettings
    source: str
    span: tuple[float, float] | None
    now: float
    declared: DeclaredBaseline = NOTHING


class BaselineSelector:
    """Makes baselines and puts them in force. `runner` does what takes long or much memory."""

    def __init__(
        self,
        store: Store,
        base_seconds: int,
        windows: WindowSettings,
        named: Mapping[Stream, BaselineSettings],
        runner: Runner = HERE,
        declared: Callable[[Stream], DeclaredBaseline] = lambda _: NOTHING,
    ) -> None:
        self._store = store
        self._base = base_seconds
        self._windows = windows
        self._named = named
        self._runner = runner
        self._declared = declared
        self._reported: dict[Stream, str] = {}
        self._seen: set[Stream] = set()
        self._to_recount: set[Stream] = set()
        self._new: dict[Stream, float] = {}
        self._completed: dict[Stream, float] = {}

    def update(self, now: float) -> None:
        """Make each baseline that is missing or differs from the configuration. The same error is logged once.

        A recount that an earlier process did not finish is continued.
        """
        with self._store.read() as connection:
            known = {figures.stream: figures for figures in stream_rows.figures_of_all(connection)}
            in_force = stored.all_in_force(connection)
            planned = []
            for stream in sorted({*self._named, *known}):
                with self._store.faults.isolate("streams", f"{stream}: baseline", in_transaction=True):
                    task = self._task(connection, stream, in_force.get(stream), known.get(stream), now)
                    planned += [task] if task is not None else []
            self._look_for_recounts(connection, known.keys() - self._seen)
        tasks = {f"making the baseline of {task.stream}": task for task in planned}
        for name, made in self._runner.each(partial(make, self._store), tasks, now):
            stream = tasks[name].stream
            if isinstance(made, EncodedBaseline):
                self._put(made, now)
            elif isinstance(made, Failed) and self._reported.get(stream) != made.reason:
                self._reported[stream] = made.reason
                log.error("no new baseline for %s: %s", stream, made.reason)
        self._recount(now)
        self._complete(in_force, now)

    def _look_for_recounts(self, connection: Connection, unseen: Iterable[Stream]) -> None:
        """Note which streams have to be recounted, in a limited time: the others are looked at in the next update."""
        until = time.monotonic() + _LOOK_SECONDS
        for stream in sorted(unseen):
            if not self._is_counted(connection, stream):
                self._to_recount.add(stream)
            self._seen.add(stream)
            if time.monotonic() >= until:
                break

    def _complete(self, in_force: Mapping[Stream, InForce], now: float) -> None:
        """Add what was declared after a baseline was made: at first, and from time to time if rows lacked it."""
        tasks: dict[str, CompletionTask] = {}
        with self._store.read() as connection:
            for stream in sorted(in_force):
                settings = self._named.get(stream, BaselineSettings())
                if now - self._completed.get(stream, -inf) < settings.after:
                    continue
                with self._store.faults.isolate("streams", f"{stream}: baseline", in_transaction=True):
                    if self._is_complete(connection, stream, in_force[stream], settings):
                        continue
                    self._completed[stream] = now
                    task = CompletionTask(stream, self._declared(stream), settings.rows, now)
                    tasks[f"completing the baseline of {stream}"] = task
        for name, made in self._runner.each(partial(complete, self._store), tasks, now):
            if isinstance(made, EncodedBaseline):
                self._put_completed(made, now)
            elif isinstance(made, Failed):
                log.error("the baseline of %s is not completed: %s", tasks[name].stream, made.reason)

    def _is_complete(
        self, connection: Connection, stream: Stream, current: InForce, settings: BaselineSettings
    ) -> bool:
        """Whether a baseline has all that is declared, or is made again if that changes."""
        declared = self._declared(stream)
        if not declared.digest:
            return True
        if settings.is_named and not current.source.startswith(_ACCEPTED):
            return True
        made = baseline.load(connection, stream)
        return made is None or not lacking(made, declared, settings.rows).digest

    def _put_completed(self, made: EncodedBaseline, now: float) -> None:
        """Put a baseline with more counts in force. Its layout is the same, so nothing is counted or learned again."""
        stream = made.stored.stream
        with self._store.write() as connection:
            current = stored.in_force(connection, stream)
            if current is None or current.layout != made.stored.layout:
                return
            if baseline.put(connection, made, now):
                what = f"baseline of {stream}: what was declared since is counted too"
                audit.note(connection, now, audit.DAEMON, what, stream.client)

    def put_in_force(
        self,
        made: Baseline,
        now: float,
        progress: Callable[[int, int], None] | None = None,
        who: str = audit.DAEMON,
    ) -> float | None:
        """Store a baseline of somebody, and recount the stored rows by its layout.

        Returns the start of the first recounted window, in seconds since the epoch: from there on, windows can be
        compared with the baseline. None if no window was recounted.
        """
        if not self._put(baseline.encoded(made), now, who):
            return None
        return self._recount(now, progress).get(made.stream)

    def new(self, now: float) -> list[Stream]:
        """The streams that got a baseline in the last ten minutes and have not been learned since."""
        self._new = {stream: at for stream, at in self._new.items() if now - at < _NEW_SECONDS}
        return sorted(self._new)

    def learned(self, streams: Iterable[Stream]) -> None:
        """Note that the drift models of these streams were learned."""
        for stream in streams:
            self._new.pop(stream, None)

    def _put(self, made: EncodedBaseline, now: float, who: str = audit.DAEMON) -> bool:
        with self._store.write() as connection:
            changed = baseline.put(connection, made, now)
            if changed:
                stream = made.stored.stream
                what = f"new baseline of {stream}: {made.stored.source}"
                audit.note(connection, now, who, what, stream.client)
        if changed:
            for note in made.notes:
                log.info("the new baseline of %s: %s", made.stored.stream, note)
            self._to_recount.add(made.stored.stream)
            self._new[made.stored.stream] = now
        return changed

    def _recount(
        self, now: float, progress: Callable[[int, int], None] | None = None
    ) -> Mapping[Stream, float]:
        """Recount the streams whose layout changed; the start of the first recounted window of each."""
        streams = sorted(self._to_recount)
        if not streams:
            return {}
        recounted = recount(self._store, streams, self._windows, self._base, now, progress, self._runner)
        for stream, since in recounted.since.items():
            log.info("%s was recounted with its new baseline from %s on", stream, iso(since))
        self._to_recount -= recounted.complete
        return recounted.since

    def _is_counted(self, connection: Connection, stream: Stream) -> bool:
        """Whether the rows of a stream are counted by its layout. Checks both ends of its history only, which is enough
        because a recount goes from the newest window to the oldest.
        """
        layout, first = stored.in_force(connection, stream), predictions.first_start(connection, stream)
        extent = profiles.extent(connection, stream, self._base)
        if first is None or extent is None:
            return True
        counted_by = (
            BARE.id if layout is None else layout.layout
        )  # without a baseline, versions have had another one
        ends = ((first, first + self._base), (extent[1] - HOUR, extent[1]))
        return not any(profiles.of_others(connection, stream, self._base, counted_by, *end) for end in ends)

    def _task(
        self,
        connection: Connection,
        stream: Stream,
        current: InForce | None,
        figures: StreamFigures | None,
        now: float,
    ) -> BaselineTask | None:
        """The baseline that replaces the current one; None if the current one is right, or none can be made yet."""
        settings = self._named.get(stream, BaselineSettings())
        if current is not None and (current.source.startswith(_ACCEPTED) or not settings.is_named):
            return None
        try:
            declared = self._declared(stream)
            source = _source(settings, declared, now)
        except OSError as error:
            source = f"unreadable: {error}"  # `make` reports the error
        if current is not None and current.source == source:
            return None
        span = None if settings.file is not None else _span(connection, settings, figures, now)
        if settings.file is None and span is None:
            return None
        return BaselineTask(stream, settings, source, span, now, declared)


def make(store: Store, task: BaselineTask) -> Iterator[EncodedBaseline]:
    """Make a baseline, ready to be stored. Writes nothing.

    Raises:
        InputError: the file cannot be read.
        NotFoundError: no predictions of the period are stored.
    """
    stream, settings, now = task.stream, task.settings, task.now
    kinds = settings.columns
    if settings.file is not None:
        made = baseline.from_file(
            stream,
            settings.file,
            now,
            overrides=kinds,
            with_relations=settings.relations,
            declared=task.declared,
        )
    else:
        assert task.span is not None
        with store.read() as connection:
            made = baseline.from_period(
                connection,
                stream,
                *task.span,
                now,
                overrides=kinds,
                with_relations=settings.relations,
                declared=task.declared,
            )
    yield baseline.encoded(replace(made, source=task.source))


def accepted(made: Baseline, how: str) -> Baseline:
    """The baseline marked as accepted by a person: no file or period of the configuration replaces it."""
    return replace(made, source=f"{_ACCEPTED}: {how}")


def _span(
    connection: Connection, settings: BaselineSettings, figures: StreamFigures | None, now: float
) -> tuple[float, float] | None:
    """The period to make the baseline from, in seconds since the epoch; None while there are too few predictions."""
    if settings.start is not None and settings.end is not None:
        return settings.start.timestamp(), settings.end.timestamp()
    if figures is None or figures.rows < settings.rows:
        return None
    if _waits_for_outcomes(connection, figures, now):
        return None
    is_old = now - figures.first_received >= settings.after
    return (0.0, now) if is_old or _has_history(connection, settings, figures) else None


def _waits_for_outcomes(connection: Connection, figures: StreamFigures, now: float) -> bool:
    """Whether a past of the last day is still being matched with outcomes that came with it."""
    few = _UNMATCHED * figures.rows
    unmatched = predictions.unsearched_rows(connection, figures.stream, now - DAY, now)
    return unmatched > few and outcomes.counts(connection, figures.stream).waiting > few


def _has_history(connection: Connection, settings: BaselineSettings, figures: StreamFigures) -> bool:
    """Whether history was loaded: enough rows are older than the newest by `after`, by their own timestamps.

    One row with a wrong timestamp is not enough.
    """
    if figures.watermark is None:
        return False
    before = figures.watermark - settings.after
    return predictions.count_rows(connection, figures.stream, before=before) >= settings.rows


def _source(settings: BaselineSettings, declared: DeclaredBaseline, now: float) -> str:
    """Where a baseline comes from, in words that change when the baseline has to be made again."""
    counts = f", counts {declared.digest}" if declared.digest else ""
    if settings.file is not None:
        status = settings.file.stat()
        return (
            f"{settings.file} ({format_size(status.st_size)} bytes, written {iso(status.st_mtime)}{counts})"
        )
    if settings.start is not None and settings.end is not None:
        return f"the predictions from {iso(settings.start.timestamp())} to {iso(settings.end.timestamp())}{counts}"
    return f"the predictions until {iso(now)}{mark(declared.season)}"
