"""Writes the counts of windows with all that follows from them: sums to delete, windows to measure and to bundle.

Of several streams at once, each table takes one statement on PostgreSQL, where every statement is a way there and back.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.store import measurement_queue, profiles, site_state, streams
from monitor.store.profiles import StoredProfile


def put(connection: Connection, totals: Mapping[Stream, Sequence[StoredProfile]], now: float) -> None:
    """Replace the profiles of windows and queue the windows for measurement. The caller advances the streams' profile
    versions first.
    """
    changed = {stream: [total.window for total in some] for stream, some in totals.items() if some}
    profiles.put_for_streams(connection, totals, now)
    profiles.delete_sums(connection, changed)
    measurement_queue.add(connection, changed, now)
    site_state.note(connection, {streams.key(connection, one, now): some for one, some in changed.items()})
