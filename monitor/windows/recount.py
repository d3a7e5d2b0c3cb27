"""Counting the retained rows again, after the layout of a stream changed."""

from collections.abc import Callable

from monitor.predictions import outcomes as joining
from monitor.predictions.batches import decode as decode_rows
from monitor.records import Stream, Window
from monitor.store import predictions, profiles
from monitor.store.db import Store
from monitor.windows.count import count
from monitor.windows.counting import add_to_window
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, merge
from monitor.windows.rolling import current_layout
from monitor.windows.settings import WindowSettings

Progress = Callable[[int, int], None]


def recount(
    store: Store,
    stream: Stream,
    settings: WindowSettings,
    base_seconds: int,
    now: float,
    progress: Progress | None = None,
) -> float | None:
    """Count every retained row of a stream by its present layout, a window a transaction, newest first.

    Returns the start of the oldest window that was counted again: measurements from then on can be compared. Windows
    whose rows are no longer kept stay with their old profile, which rolling sums leave out. None: nothing to do.
    """
    with store.read() as connection:
        layout = current_layout(connection, stream)
        extent = profiles.extent(connection, stream, base_seconds)
        if extent is None:
            return None
        stale = [
            stored.window
            for stored in profiles.between(connection, stream, base_seconds, *extent)
            if stored.layout != layout.id
        ]
    oldest: float | None = None
    for done, window in enumerate(reversed(stale), 1):
        if _recount_window(store, stream, window, settings, now):
            oldest = window.start
        if progress is not None:
            progress(done, len(stale))
    return oldest


def _recount_window(
    store: Store, stream: Stream, window: Window, settings: WindowSettings, now: float
) -> bool:
    with store.write() as connection:
        layout = current_layout(connection, stream)
        parts: list[Profile] = []
        counted: list[int] = []
        for batch in predictions.batches(connection, stream, window.start, window.end):
            parts.append(count(decode_rows(batch.blob), layout, settings.max_segments))
            known = joining.with_known(connection, batch)
            if known is not None:
                parts.append(count_outcomes(known, layout, settings.max_segments))
            counted.append(batch.id)
        if not parts:
            return False
        predictions.mark_counted(connection, counted)
        profiles.delete_all(connection, stream, window.start, window.end)
        add_to_window(connection, stream, window, merge(parts), now)
    return True
