"""The audit log of page views and changes, collected in memory so that reading a page costs no commit."""

import threading
from dataclasses import replace

from monitor.store import audit
from monitor.store.audit import AuditEntry
from monitor.store.db import Store

MOST_WAITING = 10_000
STRANGER = "stranger"
"""The name in entries of requests without access."""
_MOST_STRANGERS = 20
"""Rows a minute about strangers; what exceeds them is one row for each outcome."""
_COUNT_SECONDS = 60.0
_MACHINE_SECONDS = 3600.0
OTHERS = "others"
"""The name in entries that arrived while the maximum number was waiting because the store was unavailable."""


class AuditLog:
    """Entries to be stored. Equal entries within a minute are merged, with a count."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[object, ...], AuditEntry] = {}
        self._strangers: dict[tuple[object, ...], AuditEntry] = {}
        self._counting_since = 0.0
        self._machines: dict[tuple[object, ...], AuditEntry] = {}
        self._machines_since = 0.0
        self.is_failing = False
        """Whether the last attempt to store entries failed. No change is accepted until one succeeds."""
        self._lock = threading.Lock()

    def count_stranger(self, entry: AuditEntry) -> None:
        """Count a request of somebody without access. Strangers decide how many there are, so rows are limited."""
        key: tuple[object, ...] = (entry.address, entry.action, entry.target, entry.outcome)
        with self._lock:
            if not self._strangers:
                self._counting_since = entry.at
            if key not in self._strangers and len(self._strangers) >= _MOST_STRANGERS:
                entry = replace(entry, address=OTHERS, target="")
                key = (entry.address, entry.outcome)
            first = self._strangers.get(key)
            times = entry.times + (first.times if first else 0)
            self._strangers[key] = replace(first or entry, times=times)

    def count_machine(self, entry: AuditEntry) -> None:
        """Count a request of a program that asks every few seconds: one row an hour for each key and target."""
        key: tuple[object, ...] = (
            entry.who,
            entry.address,
            entry.action,
            entry.client,
            entry.target,
            entry.outcome,
        )
        with self._lock:
            if not self._machines:
                self._machines_since = entry.at
            first = self._machines.get(key)
            if first is None and len(self._machines) >= MOST_WAITING:
                entry, key = replace(entry, who=OTHERS, address="", client="", target=""), (OTHERS,)
                first = self._machines.get(key)
            times = entry.times + (first.times if first else 0)
            self._machines[key] = replace(first or entry, times=times)

    def note(self, entry: AuditEntry) -> None:
        """Keep an entry until the next flush."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING and _key(entry) not in self._waiting:
                entry = replace(entry, who=OTHERS, address="", client="", target="")
            first = self._waiting.get(_key(entry))
            times = entry.times + (first.times if first else 0)
            self._waiting[_key(entry)] = replace(first or entry, times=times)

    def flush(self, now: float = float("inf")) -> int:
        """Store the collected entries, and once a minute the counts of strangers. Returns their number.

        Raises:
            StoreError: the store cannot be written; the entries are kept.
        """
        if not 0 <= now - self._counting_since < _COUNT_SECONDS:
            with self._lock:
                strangers, self._strangers = list(self._strangers.values()), {}
            for entry in strangers:
                self.note(entry)
        if not 0 <= now - self._machines_since < _MACHINE_SECONDS:
            with self._lock:
                machines, self._machines = list(self._machines.values()), {}
            for entry in machines:
                self.note(entry)
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        try:
            if waiting:
                with self._store.write() as connection:
                    audit.add(connection, waiting)
        except BaseException:
            self.is_failing = True
            for entry in waiting:
                self.note(entry)
            raise
        self.is_failing = self.is_failing and not waiting
        return len(waiting)


def _key(entry: AuditEntry) -> tuple[object, ...]:
    return (
        entry.at // 60,
        entry.who,
        entry.address,
        entry.action,
        entry.client,
        entry.target,
        entry.outcome,
    )
