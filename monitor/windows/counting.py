"""Counting what came in: batches that are in no profile yet, and outcomes that found their predictions.

A batch is added to its window's profile in the transaction that marks it as counted, so each row is in a profile
exactly once, whatever is killed when.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from monitor.predictions import outcomes as joining
from monitor.predictions.batches import decode as decode_rows
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, profiles, unmeasured
from monitor.store.db import Store
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.count import count
from monitor.windows.layout import Layout
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, merge
from monitor.windows.rolling import current_layout
from monitor.windows.settings import WindowSettings

Counted = Callable[[Stream, Window, Profile], None]


def count_new(
    store: Store, settings: WindowSettings, now: float, on_counted: Counted | None = None
) -> list[tuple[Stream, Window]]:
    """Count all that is not counted yet, and return the windows that it touched, in order.

    `on_counted` is told, after each commit, what was added to which window: for counters that only ever rise.
    """
    with store.read() as connection:
        waiting = {*predictions.streams_with_uncounted(connection), *outcomes.streams_with_new(connection)}
    touched: set[tuple[Stream, Window]] = set()
    for stream in sorted(waiting):
        more = True
        while more:
            added, more = _count_some(store, stream, settings, now)
            touched |= {(stream, window) for window in added}
            if on_counted is not None:
                for window, profile in sorted(added.items()):
                    on_counted(stream, window, profile)
    return sorted(touched)


def _count_some(
    store: Store, stream: Stream, settings: WindowSettings, now: float
) -> tuple[dict[Window, Profile], bool]:
    """Count one transaction's worth of a stream; also say whether there may be more."""
    limit, most = settings.batches_per_commit, settings.max_segments
    with store.write() as connection:
        layout = current_layout(connection, stream)
        batches = predictions.uncounted(connection, stream, limit)
        new: dict[Window, list[Profile]] = {}
        for batch in batches:
            new.setdefault(batch.window, []).append(count(decode_rows(batch.blob), layout, most))
        predictions.mark_counted(connection, [batch.id for batch in batches])
        if len(batches) < limit:  # outcomes are joined once, after the last predictions
            for window, joined in joining.join(connection, stream, now):
                new.setdefault(window, []).append(count_outcomes(joined, layout, most))
        added = {window: merge(parts) for window, parts in new.items()}
        for window, profile in added.items():
            add_to_window(connection, stream, window, profile, layout, now)
    return added, len(batches) == limit


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
