"""Puts the windows of a run into the store, some at a time, beside what the daemon counted and never over it."""

from collections.abc import Iterable

from sqlalchemy import Connection

from monitor.durations import format_duration
from monitor.errors import InputError
from monitor.records import Stream, Window
from monitor.store import history, profiles, versions
from monitor.store.db import Store
from monitor.store.profiles import StoredProfile
from monitor.store.versions import Version
from monitor.windows import codec
from monitor.windows.layout import Layout
from monitor.windows.profile import Profile, merge

Key = tuple[Stream, Window]
_MOST_OPEN = 48


class Keeping:
    """The windows of one run. At most some are in memory; the others wait in the store, to be added to.

    A window takes the place of what an earlier run made of it. A window in which the daemon counted rows itself is
    left as it is (`left`): its rows may be the very same ones. Rows that come late into a window of history add to it.
    """

    def __init__(self, store: Store, base_seconds: int, layouts: dict[Stream, Layout], now: float) -> None:
        self._store = store
        self._base = base_seconds
        self._layouts = layouts
        self._now = now
        self._open: dict[Key, Profile] = {}
        self.written: set[Key] = set()
        self.left: set[Key] = set()
        self.rows = 0

    def add(self, counted: Iterable[tuple[Stream, Window, Profile]]) -> None:
        """Add profiles to their windows."""
        for stream, window, profile in counted:
            key = (stream, window)
            known = self._open.get(key)
            self._open[key] = profile if known is None else merge([known, profile])
            if len(self._open) > _MOST_OPEN:
                self.flush()

    def flush(self) -> None:
        """Write down what is in memory."""
        with self._store.write() as connection:
            for key, profile in sorted(self._open.items(), key=lambda item: item[0]):
                self._write(connection, key, profile)
        self._open.clear()

    def _write(self, connection: Connection, key: Key, profile: Profile) -> None:
        stream, window = key
        if key in self.left or (key not in self.written and self._is_counted_live(connection, key)):
            self.left.add(key)
            return
        total = profile
        if key in self.written:
            stored = history.get(connection, stream, window)
            assert stored is not None
            total = merge([codec.decode(stored.blob, self._layouts[stream]), profile])
        kept = StoredProfile(window, total.layout.id, total.rows, codec.encode(total))
        history.put(connection, stream, kept, self._now)
        seen = [Version(stream, version, window.start, window.start) for version in profile.versions]
        versions.put(connection, seen)
        self.written.add(key)
        self.rows += profile.rows

    def _is_counted_live(self, connection: Connection, key: Key) -> bool:
        stream, window = key
        return bool(profiles.starts(connection, stream, self._base, window.start, window.end))


def check_length(connection: Connection, stream: Stream, seconds: int) -> None:
    """Windows of a stream's history must not overlap, so they have one length.

    Raises:
        InputError: the stream's history is kept in windows of another length.
    """
    known = history.seconds(connection, stream)
    if known is not None and known != seconds:
        length = format_duration(known)
        raise InputError(
            f"the history of {stream} is kept in windows of {length}",
            hint=f"use --window {length}, or --anew to forget it and begin again",
        )
