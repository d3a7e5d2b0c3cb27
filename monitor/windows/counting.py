"""Counting what came in: batches that are in no profile yet, and outcomes that found their predictions.

A batch is added to its window's profile in the transaction that marks it as counted, so each row is in a profile
exactly once, whatever is killed when. Reading and counting happen before that transaction, which would keep whoever
sends predictions waiting; should somebody else have counted meanwhile, nothing is written and it is counted again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions import outcomes
from monitor.predictions.batches import concatenate
from monitor.predictions.batches import decode as decode_rows
from monitor.predictions.outcomes import Joining
from monitor.records import Stream, Window
from monitor.store import outcomes as stored_outcomes
from monitor.store import predictions, profiles, revisions, unmeasured
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


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted of a stream outside of any transaction that writes: nothing of it is in the store yet.

    `added` is what each window gets, `totals` its profile with that, which holds as long as the `revision` does.
    """

    stream: Stream
    layout: Layout
    revision: int
    batches: Sequence[int]
    joining: Joining
    added: Mapping[Window, Profile]
    totals: Sequence[StoredProfile]
    more: bool


class _StaleError(Exception):
    """While a stream was being counted, somebody else counted it or changed its layout."""


def count_new(
    store: Store, settings: WindowSettings, now: float, on_counted: Counted | None = None
) -> list[tuple[Stream, Window]]:
    """Count all that is not counted yet, and return the windows that it touched, in order.

    `on_counted` is told, after each commit, what was added to which window: for counters that only ever rise.
    """
    with store.read() as connection:
        waiting = {
            *predictions.streams_with_uncounted(connection),
            *stored_outcomes.streams_with_new(connection),
        }
    touched: set[tuple[Stream, Window]] = set()
    names = sorted(waiting)
    queue = [names[at : at + _STREAMS] for at in range(0, len(names), _STREAMS)]
    while queue:
        some = queue.pop(0)
        try:
            added, more = _count_group(store, some, settings, now)
        except _StaleError:
            queue.append(some)
            continue
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
    """Count some streams: read and counted beside the others' writing, then put down in one transaction.

    Also says which of the streams may have more.
    """
    with store.read() as connection:
        counted = [_count(connection, stream, settings) for stream in some]
    with store.write() as connection:
        for one in counted:
            _put_down(connection, one, now)
    added = {(one.stream, window): profile for one in counted for window, profile in one.added.items()}
    return added, [one.stream for one in counted if one.more]


def _apart(store: Store, some: Sequence[Stream], settings: WindowSettings, now: float) -> list[list[Stream]]:
    """What to try after a transaction failed: each stream alone; of a single one, what can be counted."""
    if len(some) > 1:
        return [[stream] for stream in some]
    if set_aside(store, some[0], settings, now):
        return [list(some)]
    log.exception("%s could not be counted, and will be tried again at the next tick", some[0])
    return []


def _count(connection: Connection, stream: Stream, settings: WindowSettings) -> _Counted:
    """Count one transaction's worth of a stream, and the outcomes that found their predictions."""
    revision = revisions.read(connection, stream)  # before all that it speaks for
    layout = current_layout(connection, stream)
    batches = predictions.uncounted(connection, stream, settings.batches_per_commit)
    more = len(batches) == settings.batches_per_commit
    added: dict[Window, Profile] = {}
    for window, rows in _put_together(batches):
        _add(added, window, count(rows, layout, settings.max_segments))
    joining = outcomes.join(connection, stream, batches[-1].id if more else None)
    for news in joining.news:
        _add(added, news.window, count_outcomes(news.joined, layout, settings.max_segments))
    totals = [_total(connection, stream, window, profile) for window, profile in added.items()]
    numbers = [batch.id for batch in batches]
    return _Counted(stream, layout, revision, numbers, joining, added, totals, more or joining.more)


def _put_down(connection: Connection, counted: _Counted, now: float) -> None:
    """Write the profiles, mark what they hold as counted, and what outcomes found as told.

    Raises:
        _StaleError: it is not the truth any more, and has to be counted again.
    """
    stream = counted.stream
    if revisions.advance(connection, stream, now) != counted.revision + 1:
        raise _StaleError
    fresh = predictions.mark_counted(connection, counted.batches)
    if fresh != len(counted.batches) or current_layout(connection, stream).id != counted.layout.id:
        raise _StaleError
    outcomes.put_down(connection, stream, counted.joining, now)
    _write(connection, stream, counted.totals, now)


def _add(to: dict[Window, Profile], window: Window, profile: Profile) -> None:
    to[window] = merge([to[window], profile]) if window in to else profile


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


def add_to_window(connection: Connection, stream: Stream, window: Window, more: Profile, now: float) -> None:
    """Add counts to a window's profile, and drop the longer sums that it is part of."""
    revisions.advance(connection, stream, now)
    _write(connection, stream, [_total(connection, stream, window, more)], now)


def _total(connection: Connection, stream: Stream, window: Window, more: Profile) -> StoredProfile:
    """A window's profile with `more`; without what an older layout counted."""
    stored = profiles.get(connection, stream, window)
    total = more
    if stored is not None and stored.layout == more.layout.id:
        total = merge([codec.decode(stored.blob, more.layout), more])
    return StoredProfile(window, more.layout.id, total.rows, codec.encode(total))


def _write(connection: Connection, stream: Stream, totals: Sequence[StoredProfile], now: float) -> None:
    windows = [total.window for total in totals]
    profiles.put(connection, stream, totals, now)
    profiles.delete_sums(connection, stream, windows)
    unmeasured.add(connection, stream, windows, now)
