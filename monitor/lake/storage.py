"""Stores the windows of a run, a few at a time. Windows that the daemon counted are never overwritten."""

from collections.abc import Iterable

from sqlalchemy import Connection

from monitor.config.units import format_duration
from monitor.errors import InputError
from monitor.records import Stream, Window
from monitor.store import lake_profiles, model_versions, profiles
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, merge

Key = tuple[Stream, Window]
_MAX_IN_MEMORY = 48


class WindowStorage:
    """The windows of one run. A limited number is in memory; the others are in the store and added to.

    A window replaces the result of an earlier run. A window in which the daemon counted rows itself is not changed
    (`left`), because its rows may be the same. Late rows of a window of history are added to it.
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
            open_profile = self._open.get(key)
            self._open[key] = profile if open_profile is None else merge([open_profile, profile])
            if len(self._open) > _MAX_IN_MEMORY:
                self.flush()

    def flush(self) -> None:
        """Write the windows in memory."""
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
            stored = lake_profiles.get(connection, stream, window)
            assert stored is not None
            total = merge([codec.decode(stored.blob, self._layouts[stream]), profile])
        stored_profile = StoredProfile(window, total.layout.id, total.rows, codec.encode(total))
        lake_profiles.put(connection, stream, stored_profile, self._now)
        versions = [Version(stream, version, window.start, window.start) for version in profile.versions]
        model_versions.put(connection, versions)
        model_versions.delete_oldest(connection)
        self.written.add(key)
        self.rows += profile.rows

    def _is_counted_live(self, connection: Connection, key: Key) -> bool:
        stream, window = key
        return bool(profiles.starts(connection, stream, self._base, window.start, window.end))


def check_length(connection: Connection, stream: Stream, seconds: int) -> None:
    """Check that a stream's history has windows of this length: windows must not overlap.

    Raises:
        InputError: the stream's history has windows of another length.
    """
    stored_seconds = lake_profiles.seconds(connection, stream)
    if stored_seconds is not None and stored_seconds != seconds:
        length = format_duration(stored_seconds)
        raise InputError(
            f"the history of {stream} has windows of {length}",
            hint=f"use --window {length}, or --anew to delete it and start again",
        )
