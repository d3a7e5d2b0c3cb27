"""Recounting of retained rows after the layout of a stream changed.

Profiles may be computed in a child process. The daemon writes them, one window per transaction.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from monitor.childprocess import HERE, Runner
from monitor.errors import InputError
from monitor.predictions.log.stored_rows import decoded
from monitor.predictions.outcomes import join as joining
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, profile_versions, profiles, site_windows, window_totals
from monitor.store.db import Store, faults_of
from monitor.store.profiles import StoredProfile
from monitor.visible import counted
from monitor.windows import codec
from monitor.windows.declared import current_definitions, custom_counts, expectation_counts
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from monitor.windows.rolling import current_layout
from monitor.windows.segment_features import by_segment
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RecountedWindow:
    """The profile of a window in the current layout, None if its rows are no longer retained.

    It is valid while the window has the same `batches` with the same outcomes (`outcomes_digest`). `done` of `of`
    windows are finished.
    """

    window: Window
    total: StoredProfile | None
    batches: Sequence[int]
    outcomes_digest: bytes
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class RecountResult:
    """`since`: per recounted stream, the start of its oldest recounted window. `complete`: the streams with nothing
    left to do.
    """

    since: Mapping[Stream, float]
    complete: frozenset[Stream]


def recount(
    store: Store,
    streams: Sequence[Stream],
    settings: WindowSettings,
    base_seconds: int,
    now: float,
    progress: Progress | None = None,
    runner: Runner = HERE,
) -> RecountResult:
    """Recount all retained rows of some streams in their current layout, newest window first.

    Measurements are comparable from the start of the oldest recounted window. Windows whose rows are no longer retained
    keep their old profile, which rolling sums ignore.
    """
    since: dict[Stream, float] = {}
    complete: set[Stream] = set()
    changed: set[Stream] = set()
    tasks = {f"recount of {stream}": stream for stream in streams}
    for name, recounted in runner.each(partial(recounted_windows, store, settings, base_seconds), tasks, now):
        stream = tasks[name]
        if recounted is None:
            complete |= {stream} - changed
        elif isinstance(recounted, RecountedWindow):
            if recounted.total is not None and _commit(store, stream, recounted, now):
                since[stream] = recounted.window.start
            elif recounted.total is not None:  # rows or outcomes arrived meanwhile: retried next time
                changed.add(stream)
            if progress is not None:
                progress(recounted.done, recounted.of)
    return RecountResult(since, frozenset(complete))


def recounted_windows(
    store: Store, settings: WindowSettings, base_seconds: int, stream: Stream
) -> Iterator[RecountedWindow | None]:
    """Each window of a stream with a profile of another layout, recounted, newest first; then None.

    Raises:
        InputError: at the end, if some windows could not be counted.
    """
    with store.read() as connection:
        layout = current_layout(connection, stream)
        stale = profiles.of_others(connection, stream, base_seconds, layout.id)
    failed: list[str] = []
    for done, start in enumerate(reversed(stale), 1):
        window = Window(start, start + base_seconds)
        try:
            with store.read() as connection:
                yield _recounted_window(connection, stream, window, settings, (done, len(stale)))
        except Exception as error:  # one damaged batch must not stop the others
            log.exception("%s: the window at %d could not be recounted", stream, start)
            failed.append(f"{window}: {error}")
    if failed:
        raise InputError(f"{counted(len(failed), 'window')} could not be recounted; the first: {failed[0]}")
    yield None


def _recounted_window(
    connection: Connection, stream: Stream, window: Window, settings: WindowSettings, at: tuple[int, int]
) -> RecountedWindow:
    layout = current_layout(connection, stream)
    features = by_segment(connection, stream, layout, settings)
    declared = current_definitions.of_stream(connection, stream)
    metrics, suite = declared.at(window.start), declared.expectations_at(window.start)
    own = partial(
        custom_counts.count,
        layout=layout,
        most_slices=settings.max_segments,
        metrics=metrics,
        faults=faults_of(connection),
    )
    parts: list[Profile | None] = []
    numbers = predictions.numbers(connection, stream, window.start, window.end)
    for batch, rows in decoded(connection, predictions.batches(connection, stream, window.start, window.end)):
        parts.append(count(rows, layout, settings.max_segments, features))
        parts.append(own(rows, are_joined=False))
        parts.append(expectation_counts.count(rows, layout, suite))
        outcomes_of_batch = joining.with_outcomes_of(connection, batch)
        if outcomes_of_batch is not None:
            parts.append(count_outcomes(outcomes_of_batch, layout, settings.max_segments))
            parts.append(own(outcomes_of_batch, are_joined=True))
    outcomes_digest = outcomes.known_digest(connection, numbers)
    if not parts:
        return RecountedWindow(window, None, numbers, outcomes_digest, *at)
    total = merge(filter(None, parts))
    packed = StoredProfile(window, layout.id, total.rows, codec.encode(total))
    return RecountedWindow(window, packed, numbers, outcomes_digest, *at)


def _commit(store: Store, stream: Stream, recounted: RecountedWindow, now: float) -> bool:
    """Write the profile of a window. Returns False, and writes nothing, if the window changed in the meantime."""
    window, total = recounted.window, recounted.total
    assert total is not None
    with store.write() as connection:
        profile_versions.advance(connection, stream, now)
        numbers = predictions.numbers(connection, stream, window.start, window.end)
        outcomes_digest = outcomes.known_digest(connection, numbers)
        layout = current_layout(connection, stream).id
        if (
            numbers != list(recounted.batches)
            or outcomes_digest != recounted.outcomes_digest
            or layout != total.layout
        ):
            return False
        predictions.mark_counted(connection, numbers)
        profiles.delete_all(connection, stream, window.start, window.end)
        window_totals.put(connection, {stream: [total]}, now)
        site_windows.mark(connection, stream, window, layout="")  # they are added again
    return True
