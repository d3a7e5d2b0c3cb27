"""Tracks the model versions that answered: stores the times of their first and last predictions, and reports new ones
as deployments.
"""

import threading
from collections.abc import Collection, Iterable

from monitor.alerts.changes.deploys import deploys
from monitor.alerts.settings import AlertSettings
from monitor.config.units import HOUR
from monitor.records import Stream, Window
from monitor.store import model_versions, outbox
from monitor.store.db import Store
from monitor.store.model_versions import Version


class VersionTracker:
    """Collects versions as they are counted, also those of loaded history. Safe to use from several threads.

    `channels` are those that are sent change events.
    """

    def __init__(self, store: Store, settings: AlertSettings, channels: Collection[str]) -> None:
        self._store, self._settings, self._channels = store, settings, channels
        self._new: dict[Stream, dict[str, Version]] = {}
        self._lock = threading.Lock()

    def add(self, stream: Stream, window: Window, versions: Iterable[str]) -> None:
        """Record that these versions answered in a base window."""
        with self._lock:
            new = self._new.setdefault(stream, {})
            for version in versions:
                known = new.get(version)
                if known is None and len(new) >= model_versions.MOST:
                    continue  # more than the store keeps
                first = min(known.first_seen, window.start) if known else float(window.start)
                last = max(known.last_seen, window.end) if known else float(window.end)
                new[version] = Version(stream, version, first, last)

    def take(self) -> list[Version]:
        """The versions recorded since the last call."""
        with self._lock:
            new, self._new = self._new, {}
        return [version for of_stream in new.values() for version in of_stream.values()]

    def store(self, now: float) -> int:
        """Store the recorded versions, with a change event for each new one. Returns the number of these events.

        Of a stream with very many versions, the oldest are deleted. If they were in use within the last hour, the
        sender generates version names, which is reported as a fault.
        """
        versions = self.take()
        if not versions:
            return 0
        with self._store.read() as connection:
            known = model_versions.load(connection)
        changes = deploys(versions, known, self._channels, self._settings, now)
        with self._store.write() as connection:
            outbox.add(connection, changes)
            model_versions.put(connection, versions)
            deleted = model_versions.delete_oldest(connection)
        for stream in sorted({version.stream for version in deleted if version.last_seen > now - HOUR}):
            reason = (
                f"more than {model_versions.MOST} versions were in use within an hour; the oldest are deleted"
            )
            self._store.faults.report("versions", str(stream), reason)
        return len(changes)
