"""Who looked at what: gathered in memory for a moment, so that reading a page costs no commit."""

import threading

from monitor.errors import StoreError
from monitor.store import audit
from monitor.store.audit import Entry
from monitor.store.db import Store


class AuditLog:
    """Entries on their way to the store. Equal ones within a minute become one with a count."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[object, ...], Entry] = {}
        self._lock = threading.Lock()

    def note(self, entry: Entry) -> None:
        """Keep an entry until the next flush."""
        key = (
            entry.at // 60,
            entry.who,
            entry.address,
            entry.action,
            entry.client,
            entry.target,
            entry.outcome,
        )
        with self._lock:
            known = self._waiting.get(key)
            times = entry.times + (known.times if known else 0)
            first = known or entry
            self._waiting[key] = Entry(
                first.at,
                first.who,
                first.address,
                first.action,
                first.client,
                first.target,
                first.outcome,
                times,
            )

    def flush(self) -> int:
        """Write what was gathered; how many entries there were.

        Raises:
            StoreError: the store cannot be written; the entries wait on.
        """
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        try:
            if waiting:
                with self._store.write() as connection:
                    audit.add(connection, waiting)
        except StoreError:
            for entry in waiting:
                self.note(entry)
            raise
        return len(waiting)
