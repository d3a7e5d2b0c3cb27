"""Learns a stream's calibration from its past: when it is due, and what is stored.

It is slow (it reads up to a month of profiles, fits and replays), and runs a few times in the life of a stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.childprocess import HERE, Runner
from monitor.drift import codec, reference, replaced_values, window_length
from monitor.drift import replay as replaying
from monitor.drift.columns import WatchedColumn, WindowCounts
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.explain import detection_delay
from monitor.drift.model.calibration import Calibration, fit
from monitor.drift.profile_columns import adapter
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import drift as stored_drift
from monitor.store.completeness import is_settled
from monitor.store.db import Store
from monitor.store.drift import StoredCalibration
from monitor.windows.baseline import Baseline, load
from monitor.windows.layout.layout import Layout

GROWTH = 2


@dataclass(frozen=True, slots=True)
class LearningTask:
    """A stream to learn. `until` is the end of its closed windows; `models` share the budget of a fleet."""

    stream: Stream
    until: float
    models: int = 1


_LASTS = 120.0
"""Seconds for which a failure to learn a stream is reported as a fault: twice the time until it is retried."""


@dataclass(frozen=True, slots=True)
class LearningContext:
    """The inputs that are the same for all streams."""

    settings: DriftSettings
    base_seconds: int
    now: float


def prepare(
    store: Store, lessons: Sequence[LearningTask], means: LearningContext, runner: Runner = HERE
) -> list[Stream]:
    """Learn each stream that has enough history and was not learned yet. Returns the learned streams.

    `runner` reads, fits and replays; the result is written here.
    """
    with store.read() as connection:
        due = []
        for lesson in lessons:
            with store.faults.isolate(
                "streams", f"{lesson.stream}: learning", lasts=_LASTS, in_transaction=True
            ):
                due += [lesson] if _span(connection, lesson, means) is not None else []
    tasks = {f"learning the drift of {lesson.stream}": lesson for lesson in due}
    completed: list[Stream] = []
    for name, calibration in runner.each(partial(learned, store, means), tasks, means.now):
        if isinstance(calibration, StoredCalibration) and _commit(store, tasks[name], calibration, means):
            completed.append(tasks[name].stream)
    return completed


def learned(store: Store, means: LearningContext, lesson: LearningTask) -> Iterator[StoredCalibration]:
    """The calibration from a stream's past, if there is enough. Writes nothing."""
    settings, base = means.settings, means.base_seconds
    with store.read() as connection:
        baseline, span = load(connection, lesson.stream), _span(connection, lesson, means)
        if baseline is None or span is None:
            return
        layout, watched = baseline.layout, adapter(baseline.layout)
        seconds = _length(connection, lesson.stream, layout, span, means)
        days = [w for w in reference.spans(*span, seconds) if not is_special(w, settings)]
        windows = reference.windows(connection, lesson.stream, layout, watched, base, days)
    if len(windows) < window_length.least_windows(seconds) or not watched.columns:
        return
    budget = budget_of(settings, lesson.models)
    calibration = learn(watched.columns, windows, budget, settings)
    note = replaying.too_little(span[0], span[1], len(windows), seconds)
    yield storable(calibration, layout.id, budget, settings, note, means.now)


def _commit(
    store: Store, lesson: LearningTask, calibration: StoredCalibration, means: LearningContext
) -> bool:
    """Write what was learned, unless another baseline was activated or a state was accepted in the meantime."""
    stream = lesson.stream
    with store.write() as connection:
        baseline, span = load(connection, stream), _span(connection, lesson, means)
        if baseline is None or span is None or baseline.layout.id != calibration.layout:
            return False
        stored_drift.put_calibration(connection, stream, calibration, means.now)
        stored_drift.delete_state(connection, stream)
    return True


def _span(connection: Connection, lesson: LearningTask, means: LearningContext) -> tuple[int, int] | None:
    """The span to learn from; None if learning is not due. Reads no profiles."""
    stream, settings, base = lesson.stream, means.settings, means.base_seconds
    baseline = load(connection, stream)
    span = reference.period(connection, stream, baseline, base, lesson.until, settings) if baseline else None
    if baseline is None or span is None or not _is_due(connection, stream, baseline, span, settings):
        return None
    closed = Window(span[0], span[1] // base * base)  # rows of the window that is still open always wait
    if not is_settled(connection, stream, base, baseline.layout.id, closed):
        return None
    return span if _may_be_enough(connection, stream, baseline.layout, span, means) else None


def _may_be_enough(
    connection: Connection, stream: Stream, layout: Layout, span: tuple[int, int], means: LearningContext
) -> bool:
    """False if there are certainly too few windows: learning starts a process, and this is checked every minute."""
    period, base = Window(*span), means.base_seconds
    if reference.unit(connection, stream, layout, base, period, means.settings) != base:
        return True  # in a lake
    starts = reference.starts(connection, stream, layout, base, period, base)
    rows = reference.rows_within(connection, stream, layout, base, period, base)
    seconds = window_length.length(rows, period.seconds, base, means.settings, starts)
    return len({start // seconds for start in starts}) >= window_length.least_windows(seconds)


def _length(
    connection: Connection, stream: Stream, layout: Layout, span: tuple[int, int], means: LearningContext
) -> int:
    period, base = Window(*span), means.base_seconds
    unit = reference.unit(connection, stream, layout, base, period, means.settings)
    rows = reference.rows_within(connection, stream, layout, base, period, unit)
    starts = reference.starts(connection, stream, layout, base, period, unit)
    return window_length.length(rows, period.seconds, unit, means.settings, starts)


def learn(
    columns: Sequence[WatchedColumn], windows: Sequence[WindowCounts], budget: Budget, settings: DriftSettings
) -> Calibration:
    """The calibration from the windows of a reference, with the limit raised if replaying them would have alarmed."""
    effect, zone = settings.min_effect, settings.time_zone
    columns = replaced_values.marked(columns, windows)
    replayed = replaying.replay(columns, windows, budget, min_effect=effect, zone=zone)
    return replaying.checked(fit(columns, windows, min_effect=effect, zone=zone), replayed)


def _is_due(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    span: tuple[int, int],
    settings: DriftSettings,
) -> bool:
    """Whether nothing was learned yet, or learned by another version or with another layout or other settings, or from
    half as much history. An accepted state is kept, and nothing is learned during an incident.
    """
    stored = stored_drift.calibration(connection, stream)
    if stored is None or stored.layout != baseline.layout.id or not codec.is_current(stored.blob):
        return True
    if stored.accepted or any(one.closed is None for one in stored_drift.incidents(connection, stream)):
        return False
    if codec.learned_with(stored.blob) != (settings.min_effect, settings.time_zone):
        return True
    return span[1] - span[0] >= GROWTH * (stored.end - stored.start)


def is_special(window: Window, settings: DriftSettings) -> bool:
    """Whether the window starts on an excluded day."""
    zone = ZoneInfo(settings.time_zone)
    return datetime.fromtimestamp(window.start, zone).date() in settings.special_days


def budget_of(settings: DriftSettings, models: int) -> Budget:
    """The budget of one model."""
    return settings.budget.over(models) if settings.scope == "fleet" else settings.budget


def storable(
    calibration: Calibration, layout: str, budget: Budget, settings: DriftSettings, note: str, now: float
) -> StoredCalibration:
    """A calibration as it is stored, with the reason if it may not page yet, and the meaning of its budget."""
    limit = budget.limit(calibration.seconds, calibration.raised)
    needed = limits(calibration.columns, limit, settings.importance, calibration.silent)
    return StoredCalibration(
        now,
        layout,
        calibration.seconds,
        calibration.start,
        calibration.end,
        calibration.windows,
        False,
        f"drift is reported in the digest only: {note}" if note else "",
        detection_delay.meaning(calibration, needed, budget),
        codec.encode_calibration(calibration),
    )
