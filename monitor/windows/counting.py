"""Counting what came in: batches that are in no profile yet, and outcomes that found their predictions.

A batch is added to its window's profile in the transaction that marks it as counted, so each row is in a profile
exactly once, whatever is killed when.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions import outcomes as joining
from monitor.predictions.batches import concatenate
from monitor.predictions.batches import decode as decode_rows
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, profiles, unmeasured
from monitor.store.db import Store
from monitor.store.predictions import StoredBatch
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.aside import set_aside
from monitor.windows.count import count
from monitor.windows.layout import Layout
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, merge
from monitor.windows.rolling import current_layout
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

Counted = Callable[[Stream, Window, Profile], None]


_STREAMS = 8
"""Streams of one transaction: a commit costs a write to disk, and others wait for it to end."""
_ROWS = 50_000


def count_new(
    store: Store, settings: WindowSettings, now: float, on_counted: Counted | None = None
) -> list[tuple[Stream, Window]]:
    """Count all that is not counted yet, and return the windows that it touched, in order.

    `on_counted` is told, after each commit, what was added to which window: for counters that only ever rise.
    """
    with store.read() as connection:
        waiting = {*predictions.streams_with_uncounted(connection), *outcomes.streams_with_new(connection)}
    touched: set[tuple[Stream, Window]] = set()
    names = sorted(waiting)
    queue = [names[at : at + _STREAMS] for at in range(0, len(names), _STREAMS)]
    while queue:
        some = queue.pop(0)
        try:
            added, more = _count_group(store, some, settings, now)
        except Exception:  # one stream's rows must not stop the others
            queue += _apart(store, some, settings, now)
            continue
        queue += [more] if more else []
        touched |= added.keys()
        if on_counted is not None:
            for (stream, window), profile in sorted(added.items(), key=lambda item: item[0]):
                on_counted(stream, window, profile)
    return sorted(touched)


def _count_group(
    store: Store, some: Sequence[Stream], settings: WindowSettings, now: float
) -> tuple[dict[tuple[Stream, Window], Profile], list[Stream]]:
    """Count some streams in one transaction; also say which of them may have more."""
    added: dict[tuple[Stream, Window], Profile] = {}
    unfinished = []
    with store.write() as connection:
        for stream in some:
            counted, more = _count_some(connection, stream, settings, now)
            added |= {(stream, window): profile for window, profile in counted.items()}
            unfinished += [stream] if more else []
    return added, unfinished


def _apart(store: Store, some: Sequence[Stream], settings: WindowSettings, now: float) -> list[list[Stream]]:
    """What to try after a transaction failed: each stream alone; of a single one, what can be counted."""
    if len(some) > 1:
        return [[stream] for stream in some]
    if set_aside(store, some[0], settings, now):
        return [list(some)]
    log.exception("%s could not be counted, and will be tried again at the next tick", some[0])
    return []


def _count_some(
    connection: Connection, stream: Stream, settings: WindowSettings, now: float
) -> tuple[dict[Window, Profile], bool]:
    """Count one transaction's worth of a stream; also say whether there may be more."""
    limit, most = settings.batches_per_commit, settings.max_segments
    layout = current_layout(connection, stream)
    batches = predictions.uncounted(connection, stream, limit)
    added: dict[Window, Profile] = {}

    def add(window: Window, profile: Profile) -> None:
        added[window] = merge([added[window], profile]) if window in added else profile

    for window, rows in _put_together(batches):
        add(window, count(rows, layout, most))
    predictions.mark_counted(connection, [batch.id for batch in batches])
    if len(batches) < limit:  # outcomes are joined once, after the last predictions
        for window, joined in joining.join(connection, stream, now):
            add(window, count_outcomes(joined, layout, most))
    for window, profile in added.items():
        add_to_window(connection, stream, window, profile, layout, now)
    return added, len(batches) == limit


def _put_together(batches: Iterable[StoredBatch]) -> Iterator[tuple[Window, pa.RecordBatch]]:
    """The rows of each window, many small batches as one: counting costs by the call more than by the row.

    Only batches with the same columns of the same types are put together. Widening would change what a value reads
    as: true is 1 among numbers, and no number among texts.
    """
    waiting: dict[tuple[Window, str], list[pa.RecordBatch]] = {}
    for batch in batches:
        rows = decode_rows(batch.blob)
        alike = waiting.setdefault((batch.window, rows.schema.to_string(show_schema_metadata=False)), [])
        alike.append(rows)
        if sum(some.num_rows for some in alike) >= _ROWS:
            yield batch.window, concatenate(alike)
            alike.clear()
    for (window, _), alike in waiting.items():
        if alike:
            yield window, concatenate(alike)


def add_to_window(
    connection: Connection, stream: Stream, window: Window, more: Profile, layout: Layout, now: float
) -> None:
    """Add counts to a window's profile, and drop the longer sums that it is part of."""
    stored = profiles.get(connection, stream, window)
    total = more
    if stored is not None and stored.layout == layout.id:
        total = merge([codec.decode(stored.blob, layout), more])
    profiles.put(connection, stream, StoredProfile(window, layout.id, total.rows, codec.encode(total)), now)
    profiles.delete_sums(connection, stream, window)
    unmeasured.add(connection, stream, [window], now)
