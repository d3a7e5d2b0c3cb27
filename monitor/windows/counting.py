"""Counting of new batches, and of outcomes that were matched to their predictions.

A batch is added to the profile of its window in the transaction that marks it as counted, so each row is in a profile
exactly once, whenever the process is killed. Batches are read and counted before that transaction, which would block
writers. If another process has counted them meanwhile, nothing is written and they are counted again.

A batch that cannot be counted is moved to the quarantine with the reason. Its rows stay in the log.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.batch import decode as decode_rows
from monitor.predictions.outcomes import join
from monitor.predictions.outcomes.join import JoinResult
from monitor.records import Rejected, Stream, Window
from monitor.runtime.threads.preemption import preemptible
from monitor.store import (
    definitions,
    predictions,
    profile_versions,
    profiles,
    quarantine,
    uncounted_batches,
    window_totals,
)
from monitor.store import outcomes as stored_outcomes
from monitor.store.db import Store, faults_of
from monitor.store.predictions import StoredBatch
from monitor.store.profiles import StoredProfile
from monitor.store.quarantine import Quarantined
from monitor.store.uncounted_batches import UncountedBatches
from monitor.windows import baseline, codec, segment_features
from monitor.windows.declared import current_definitions, custom_counts, expectation_counts
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from monitor.windows.rolling import current_layout
from monitor.windows.round_robin import RoundRobin, first_ones
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

OnCounted = Callable[[Stream, Window, Profile], None]
_STREAMS_PER_TRANSACTION, _OF_A_SERVER = 8, 16
"""A commit costs a write to disk, and other writers wait for it; a server has several, and is far away."""
_LIVE_SECONDS = 30.0
"""Streams that received records within this time are counted before a backlog: faults must be detected at once."""
_NEW_SECONDS = 300.0
"""Windows that end no longer ago than this are counted first where a stream has a backlog."""
_MERGED_ROWS, _MERGED_LIST_BYTES = 50_000, 2_000_000
_LISTS = ("ranking", "predicted_labels", "outputs")
_COUNTS_PER_STREAM = 2**15
"""About how many counts the windows of a stream in one transaction may have in total. Eight times as many, and four
times as many windows, took 20 MB more while a long past of three models with 64 features was counted."""
_MIN_WINDOWS, _MAX_WINDOWS = 4, 16
"""Limits for the number of windows per transaction, independent of the size of their profiles."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """The counts of a stream, computed outside of write transactions and not yet stored.

    `added` holds the counts to add per window, `totals` the resulting profiles. They are valid while the stream's
    profile version is `revision`.
    """

    stream: Stream
    layout: Layout
    revision: int
    batches: Sequence[int]
    damaged: Sequence[int]
    joining: JoinResult
    added: Mapping[Window, Profile]
    totals: Sequence[StoredProfile]
    more: bool


class _StaleError(Exception):
    """Another process counted the stream or changed its layout in the meantime."""


def count_new(
    store: Store,
    settings: WindowSettings,
    now: float,
    on_counted: OnCounted | None = None,
    round_robin: RoundRobin | None = None,
    is_mine: Callable[[Stream], bool] = lambda _stream: True,
    urgent: Sequence[Collection[Stream]] = (),
) -> list[tuple[Stream, Window]]:
    """Count new batches and matched outcomes of all streams, or of those that are `is_mine`. Returns the changed
    windows, sorted.

    `round_robin` limits the time; without it, everything is counted. `urgent` streams come first, the first group
    whatever the time (see `first_ones`), then those that receive records now. Each stream has one transaction before
    any stream has a second one for its backlog. `on_counted` is called after each commit with the counts that were
    added to each window, for monotonic counters.
    """
    with store.read() as connection:
        waiting = {
            *filter(is_mine, uncounted_batches.waiting_streams(connection)),
            *filter(is_mine, stored_outcomes.streams_with_new(connection)),
        }
        since = now - _LIVE_SECONDS
        live = uncounted_batches.waiting_streams(connection, since) if round_robin is not None else []
        live = list(filter(is_mine, live))
    names = sorted(waiting) if round_robin is None else round_robin.start_tick(waiting, [*urgent, live])
    least = first_ones(names, urgent)
    return count_in_order(store, settings, now, names, on_counted, round_robin, least)


def count_in_order(
    store: Store,
    settings: WindowSettings,
    now: float,
    names: Sequence[Stream],
    on_counted: OnCounted | None = None,
    round_robin: RoundRobin | None = None,
    least: int = 0,
) -> list[tuple[Stream, Window]]:
    """As `count_new`, of some streams in order: at least the first `least`, then until `round_robin`'s time is up."""
    touched: set[tuple[Stream, Window]] = set()
    size = _STREAMS_PER_TRANSACTION if store.is_sqlite else _OF_A_SERVER
    queue = [names[at : at + size] for at in range(0, len(names), size)]
    backlog: list[list[Stream]] = []
    while queue or backlog:
        is_enough = touched and least <= 0
        if is_enough and round_robin is not None and round_robin.is_time_up(again=not queue):
            break
        group = (queue or backlog).pop(0)
        least -= len(group)
        if round_robin is not None:
            round_robin.mark_served(group)
        try:
            added, more = _count_group(store, group, settings, now)
        except _StaleError:
            queue.append(group)
            continue
        except StoreError:
            raise
        except Exception as error:  # one stream's rows must not stop the others
            queue += _retry_groups(store, group, settings, now, error)
            continue
        for stream in group:
            store.faults.resolve("streams", f"{stream}: counting")
        backlog += [more] if more else []
        touched |= added.keys()
        if on_counted is not None:
            for (stream, window), profile in sorted(added.items(), key=lambda item: item[0]):
                on_counted(stream, window, profile)
    return sorted(touched)


def _count_group(
    store: Store, group: Sequence[Stream], settings: WindowSettings, now: float
) -> tuple[dict[tuple[Stream, Window], Profile], list[Stream]]:
    """Count some streams and commit them in one transaction. Reading and counting happen outside of it.

    Returns the added counts, and the streams that may have more to count.
    """
    with store.read() as connection:
        if len(group) > 1 and not store.is_sqlite:
            _read_ahead(connection, group, settings)
        counts_of_streams = [_count(connection, stream, settings, now) for stream in group]
    with store.write() as connection:
        _commit(connection, counts_of_streams, now)
    added = {
        (counts.stream, window): profile
        for counts in counts_of_streams
        for window, profile in counts.added.items()
    }
    return added, [counts.stream for counts in counts_of_streams if counts.more]


def _retry_groups(
    store: Store, group: Sequence[Stream], settings: WindowSettings, now: float, error: Exception
) -> list[list[Stream]]:
    """The groups to retry after a failure: each stream alone; a single one once its broken batches are set aside."""
    if len(group) > 1:
        return [[stream] for stream in group]
    moved = 0
    with store.faults.isolate("streams", f"{group[0]}: rows that cannot be counted"):
        moved = quarantine_stream(store, group[0], settings, now)
    if moved:
        return [list(group)]
    store.faults.report("streams", f"{group[0]}: counting", error)
    return []


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The batches to count next. `is_backlog`: more wait than one transaction counts."""

    uncounted: UncountedBatches
    is_backlog: bool
    is_newest_first: bool = False


def _waiting(
    connection: Connection, stream: Stream, settings: WindowSettings, windows: int, now: float
) -> _Waiting:
    most = settings.batches_per_commit
    oldest = uncounted_batches.oldest(connection, stream, most, windows)
    if not oldest.more:
        return _Waiting(oldest, is_backlog=False)
    newest = uncounted_batches.newest(connection, stream, now - _NEW_SECONDS, most)
    is_newest_first = bool(newest.batches)
    return _Waiting(newest if is_newest_first else oldest, is_backlog=True, is_newest_first=is_newest_first)


def _most_windows(layout: Layout) -> int:
    """How many windows of a stream are counted in one transaction; without a baseline, features are large tallies."""
    most = _MIN_WINDOWS if layout.id == BARE.id else _MAX_WINDOWS
    return max(_MIN_WINDOWS, min(most, _COUNTS_PER_STREAM // layout.size))


def _count(connection: Connection, stream: Stream, settings: WindowSettings, now: float) -> _Counted:
    """Count new batches of a stream for one transaction, and its newly matched outcomes.

    If more wait than one transaction counts, the newest come first: what fails now must not wait for a backlog.
    """
    revision = profile_versions.read(connection, stream)  # first: a later change of what follows is detected
    layout = current_layout(connection, stream)
    windows = _most_windows(layout)
    waiting = _waiting(connection, stream, settings, windows, now)
    batches = _limited_to_windows(waiting.uncounted.batches, windows)
    more = len(batches) < len(waiting.uncounted.batches) or waiting.is_backlog
    features = segment_features.by_segment(connection, stream, layout, settings)
    declared, most = current_definitions.of_stream(connection, stream), settings.max_segments
    count_own = partial(custom_counts.count, layout=layout, most_slices=most, faults=faults_of(connection))
    added: dict[Window, Profile] = {}
    for window, rows in preemptible(_merged_batches(batches)):
        _add(added, window, count(rows, layout, most, features))
        _add(added, window, count_own(rows, metrics=declared.at(window.start), are_joined=False))
        _add(added, window, expectation_counts.count(rows, layout, declared.expectations_at(window.start)))
    seen = [batch.id for batch in batches] or waiting.uncounted.damaged
    only = seen if waiting.is_newest_first else ()
    kept = custom_counts.features_of(declared.all)
    joining = join.join(connection, stream, seen[-1] if more else None, only, kept)
    for matched in preemptible(joining.matched):
        window, joined = matched.window, matched.joined
        _add(added, window, count_outcomes(joined, layout, most))
        _add(added, window, count_own(joined, metrics=declared.at(window.start), are_joined=True))
    totals = [_total(connection, stream, window, profile) for window, profile in added.items()]
    return _Counted(
        stream,
        layout,
        revision,
        [batch.id for batch in batches],
        waiting.uncounted.damaged,
        joining,
        added,
        totals,
        more or joining.more,
    )


def _read_ahead(connection: Connection, group: Sequence[Stream], settings: WindowSettings) -> None:
    """Read what counting needs of each of these streams, in one statement each instead of one a stream."""
    profile_versions.read_ahead(connection, group)  # first: a later change of what follows is detected
    baseline.load_ahead(connection, group)
    waiting = uncounted_batches.read_ahead(connection, group)
    predictions.read_unsearched_ahead(connection, waiting)
    profiles.read_ahead(connection, waiting)
    join.read_ahead(connection, group)
    definitions.read_ahead(connection, group)
    segment_features.read_ahead(connection, group, settings)


def _commit(connection: Connection, some: Sequence[_Counted], now: float) -> None:
    """Write the profiles, mark their batches as counted and their outcomes as applied.

    Raises:
        _StaleError: the counts are outdated and the streams have to be counted again.
    """
    raised = profile_versions.advance_some(connection, [one.stream for one in some], now)
    if any(raised[one.stream] != one.revision + 1 for one in some):
        raise _StaleError
    batches = [batch for one in some for batch in one.batches]
    if predictions.mark_counted(connection, batches) != len(batches):
        raise _StaleError
    baseline.load_ahead(connection, [one.stream for one in some])
    if any(current_layout(connection, one.stream).id != one.layout.id for one in some):
        raise _StaleError
    for one in some:
        _set_aside(connection, one.stream, one.damaged, now)
    join.commit(connection, {one.stream: one.joining for one in some}, now)
    window_totals.put(connection, {one.stream: one.totals for one in some}, now)


def _set_aside(connection: Connection, stream: Stream, damaged: Sequence[int], now: float) -> None:
    """Count damaged batches as done, and keep a record of each: the others must not wait for them."""
    if damaged:
        predictions.mark_counted(connection, damaged)
        hint = "`watchkeeper status` lists what is damaged; a backup may have an undamaged copy"
        for number in damaged:
            reason = f"batch {number} is damaged in the database"
            rejected = Rejected(0, reason, hint, stream.client, stream.model)
            quarantine.put(connection, [Quarantined(now, "predictions", UNCOUNTABLE, rejected)])


def _add(to: dict[Window, Profile], window: Window, profile: Profile | None) -> None:
    if profile is not None:
        to[window] = merge([to[window], profile]) if window in to else profile


def _limited_to_windows(batches: Sequence[StoredBatch], windows: int) -> Sequence[StoredBatch]:
    """The first batches that lie in at most `windows` windows."""
    distinct: set[Window] = set()
    for index, batch in enumerate(batches):
        distinct.add(batch.window)
        if len(distinct) > windows:
            return batches[:index]
    return batches


def _merged_batches(batches: Iterable[StoredBatch]) -> Iterator[tuple[Window, pa.RecordBatch]]:
    """The rows of each window, with small batches merged: counting costs more per call than per row.

    Only batches with equal columns and types are merged. Widening a type would change values: true is 1 in a column of
    numbers, but not a number in a column of texts.
    """
    waiting: dict[tuple[Window, str], list[pa.RecordBatch]] = {}
    for batch in batches:
        rows = decode_rows(batch.blob)
        alike = waiting.setdefault((batch.window, rows.schema.to_string(show_schema_metadata=False)), [])
        alike.append(rows)
        lists = (part.column(name).nbytes for part in alike for name in _LISTS if name in part.schema.names)
        is_much = (
            sum(lists) >= _MERGED_LIST_BYTES
        )  # of items, labels and outputs, which are counted as objects
        if is_much or sum(part.num_rows for part in alike) >= _MERGED_ROWS:
            yield batch.window, concatenate(alike)
            alike.clear()
    for (window, _), alike in waiting.items():
        if alike:
            yield window, concatenate(alike)


def add_to_window(connection: Connection, stream: Stream, window: Window, more: Profile, now: float) -> None:
    """Add counts to the profile of a window, and delete the rolling sums that contain it."""
    profile_versions.advance(connection, stream, now)
    window_totals.put(connection, {stream: [_total(connection, stream, window, more)]}, now)


def _total(connection: Connection, stream: Stream, window: Window, more: Profile) -> StoredProfile:
    """The stored profile of a window plus `more`. Counts of an older layout are dropped."""
    stored = profiles.get(connection, stream, window)
    total = more
    if stored is not None and stored.layout == more.layout.id:
        with faults_of(connection).isolate("profiles", f"{stream} {window.start} {window.seconds}"):
            total = merge([codec.decode(stored.blob, more.layout), more])
    return StoredProfile(window, more.layout.id, total.rows, codec.encode(total))


UNCOUNTABLE = "uncountable"


def quarantine_stream(store: Store, stream: Stream, settings: WindowSettings, now: float) -> int:
    """Try the waiting batches of a stream one by one, and quarantine those that cannot be counted. Returns their
    number.
    """
    with store.read() as connection:
        layout = current_layout(connection, stream)
        waiting = _waiting(connection, stream, settings, _most_windows(layout), now).uncounted.batches
    rejected = [(batch, reason) for batch in waiting if (reason := _counting_error(batch, layout, settings))]
    with store.write() as connection:
        predictions.mark_counted(connection, [batch.id for batch, _ in rejected])
        quarantine.put(connection, [_rejected_batch(batch, reason, now) for batch, reason in rejected])
    for batch, reason in rejected:
        log.error(
            "%d rows of %s cannot be counted and were moved to the quarantine: %s", batch.rows, stream, reason
        )
    return len(rejected)


def _counting_error(batch: StoredBatch, layout: Layout, settings: WindowSettings) -> str:
    """Why a batch cannot be counted, or an empty string."""
    try:
        count(decode_rows(batch.blob), layout, settings.max_segments)
    except Exception as error:  # whatever is wrong with one batch must not stop the others
        return f"{type(error).__name__}: {error}"
    return ""


def _rejected_batch(batch: StoredBatch, reason: str, now: float) -> Quarantined:
    stream = batch.stream
    hint = "the rows are in the prediction log; the daemon's log names the error"
    rejected = Rejected(0, f"could not be counted: {reason}", hint, stream.client, stream.model)
    return Quarantined(now, "predictions", UNCOUNTABLE, rejected, batch.rows)
