"""Learning from a stream's past: when it is time to, and what is kept of it.

Slow (it reads up to a month of profiles, fits and replays), and done a few times in a stream's life.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.childprocess import HERE, Runner
from monitor.drift import codec, reference
from monitor.drift import replay as replaying
from monitor.drift.columns import Column, WindowCounts
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.explain import detection_delay
from monitor.drift.model.calibration import Calibration, fit
from monitor.drift.profile_columns import adapter
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import drift as stored_drift
from monitor.store import profiles
from monitor.store.completeness import is_settled
from monitor.store.db import Store
from monitor.store.drift import StoredCalibration
from monitor.windows.baseline import Baseline, load
from monitor.windows.layout.layout import Layout

GROWTH = 2


@dataclass(frozen=True, slots=True)
class LearningTask:
    """A stream to learn. `until` is up to when its windows are closed; `models` how many share the budget if its scope
    is the fleet.
    """

    stream: Stream
    until: float
    models: int = 1


_LASTS = 120.0
"""Seconds for which a stream that could not be learned is told of: twice as long as until it is tried again."""


@dataclass(frozen=True, slots=True)
class LearningContext:
    """What all streams are learned with."""

    settings: DriftSettings
    base_seconds: int
    now: float


def prepare(
    store: Store, lessons: Sequence[LearningTask], means: LearningContext, runner: Runner = HERE
) -> list[Stream]:
    """Learn from the past of each stream that has enough of it and was not learned yet; which were learned.

    Reading, fitting and replaying is what `runner` has done; what was learned is written here.
    """
    with store.read() as connection:
        due = []
        for lesson in lessons:
            with store.faults.isolate(
                "streams", f"{lesson.stream}: learning", lasts=_LASTS, in_transaction=True
            ):
                due += [lesson] if _span(connection, lesson, means) is not None else []
    tasks = {f"learning the drift of {lesson.stream}": lesson for lesson in due}
    done: list[Stream] = []
    for name, made in runner.each(partial(learned, store, means), tasks, means.now):
        if isinstance(made, StoredCalibration) and _commit(store, tasks[name], made, means):
            done.append(tasks[name].stream)
    return done


def learned(store: Store, means: LearningContext, lesson: LearningTask) -> Iterator[StoredCalibration]:
    """What a stream's past teaches, if it is enough. Writes nothing."""
    settings, base = means.settings, means.base_seconds
    with store.read() as connection:
        baseline, span = load(connection, lesson.stream), _span(connection, lesson, means)
        if baseline is None or span is None:
            return
        layout, watched = baseline.layout, adapter(baseline.layout)
        seconds = _length(connection, lesson.stream, layout, span, means)
        days = [w for w in reference.spans(*span, seconds) if not is_special(w, settings)]
        windows = reference.windows(connection, lesson.stream, layout, watched, base, days)
    if len(windows) < replaying.LEAST_WINDOWS or not watched.columns:
        return
    budget = budget_of(settings, lesson.models)
    calibration = learn(watched.columns, windows, budget, settings)
    note = replaying.too_little(span[0], span[1], len(windows))
    yield storable(calibration, layout.id, budget, settings, note, means.now)


def _commit(store: Store, lesson: LearningTask, made: StoredCalibration, means: LearningContext) -> bool:
    """Write what was learned, unless somebody put another baseline in force or accepted a state meanwhile."""
    stream = lesson.stream
    with store.write() as connection:
        baseline, span = load(connection, stream), _span(connection, lesson, means)
        if baseline is None or span is None or baseline.layout.id != made.layout:
            return False
        stored_drift.put_calibration(connection, stream, made, means.now)
        stored_drift.delete_state(connection, stream)
    return True


def _span(connection: Connection, lesson: LearningTask, means: LearningContext) -> tuple[int, int] | None:
    """The span to learn from, None where it is not the time to. Reads no profiles."""
    stream, settings, base = lesson.stream, means.settings, means.base_seconds
    baseline = load(connection, stream)
    span = reference.period(connection, stream, baseline, base, lesson.until, settings) if baseline else None
    if baseline is None or span is None or not _is_due(connection, stream, baseline, span, settings):
        return None
    if not is_settled(connection, stream, base, baseline.layout.id, Window(*span)):
        return None
    return span if _may_be_enough(connection, stream, baseline.layout, span, means) else None


def _may_be_enough(
    connection: Connection, stream: Stream, layout: Layout, span: tuple[int, int], means: LearningContext
) -> bool:
    """False where there are surely too few windows: learning begins a process, and is asked for every minute."""
    whole, base = Window(*span), means.base_seconds
    if reference.unit(connection, stream, layout, base, whole, means.settings) != base:
        return True  # in a lake
    seconds = _length(connection, stream, layout, span, means)
    counted = profiles.counted(connection, stream, base, whole.start, whole.end, layout.id)
    return len({start // seconds for start, rows in counted if rows}) >= replaying.LEAST_WINDOWS


def _length(
    connection: Connection, stream: Stream, layout: Layout, span: tuple[int, int], means: LearningContext
) -> int:
    whole, base = Window(*span), means.base_seconds
    unit = reference.unit(connection, stream, layout, base, whole, means.settings)
    rows = reference.rows_within(connection, stream, layout, base, whole, unit)
    return reference.length(rows, whole.seconds, unit, means.settings)


def learn(
    columns: Sequence[Column], windows: Sequence[WindowCounts], budget: Budget, settings: DriftSettings
) -> Calibration:
    """What the windows of a reference teach, with the limit raised by what replaying them would have alarmed."""
    effect, zone = settings.min_effect, settings.time_zone
    replayed = replaying.replay(columns, windows, budget, min_effect=effect, zone=zone)
    return replaying.checked(fit(columns, windows, min_effect=effect, zone=zone), replayed)


def _is_due(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    span: tuple[int, int],
    settings: DriftSettings,
) -> bool:
    """Nothing learned yet, or by another version, of another layout or with other settings, or twice as much past as
    then. An accepted state is not unlearned, and an open incident is not learned from.
    """
    known = stored_drift.calibration(connection, stream)
    if known is None or known.layout != baseline.layout.id or not codec.is_current(known.blob):
        return True
    if known.accepted or any(one.closed is None for one in stored_drift.incidents(connection, stream)):
        return False
    if codec.learned_with(known.blob) != (settings.min_effect, settings.time_zone):
        return True
    return span[1] - span[0] >= GROWTH * (known.end - known.start)


def is_special(window: Window, settings: DriftSettings) -> bool:
    """Does the window begin on a day that is not judged?"""
    zone = ZoneInfo(settings.time_zone)
    return datetime.fromtimestamp(window.start, zone).date() in settings.special_days


def budget_of(settings: DriftSettings, models: int) -> Budget:
    """One model's budget."""
    return settings.budget.over(models) if settings.scope == "fleet" else settings.budget


def storable(
    calibration: Calibration, layout: str, budget: Budget, settings: DriftSettings, note: str, now: float
) -> StoredCalibration:
    """A calibration as it is stored, with the reason why it may not page, if any, and what its budget means."""
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
        f"drift is told in the digest only: {note}" if note else "",
        detection_delay.meaning(calibration, needed, budget),
        codec.encode_calibration(calibration),
    )
