"""What was decided and told while the shared database was out of reach: a file of JSON lines, synced line by line.

Replaying it into the database is harmless any number of times: rows have natural keys, and what is newer there stays.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from monitor.records import Alert, Delivery, Transition
from monitor.store import alerts, incidents, outbox
from monitor.store.incidents import Incident

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that went out, and where it was decided without the database, what it rests on."""

    delivery: Delivery
    incident: Incident | None = None
    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()


class Journal:
    """The file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entry: Entry) -> None:
        """Append an entry, durably."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Entry]:
        """What is not replayed yet. A line that a crash cut short is left out: it was never finished."""
        entries = []
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                entries.append(msgspec.json.decode(line, type=Entry))
            except msgspec.MsgspecError as error:
                log.warning("a line of %s cannot be read and is left out: %s", self._path, error)
        return entries

    def clear(self) -> None:
        """Forget what was replayed."""
        self._path.unlink(missing_ok=True)


def replay(connection: Connection, entries: list[Entry]) -> None:
    """Bring the database up to what was decided and told without it."""
    known: Mapping[str, Alert] = alerts.load(connection) if any(e.alerts for e in entries) else {}
    for entry in entries:
        newer = [alert for alert in entry.alerts if _is_newer(alert, known.get(alert.fingerprint))]
        alerts.put(connection, newer)
        alerts.add_transitions(connection, entry.transitions)
        if entry.incident is not None:
            place = entry.incident
            stored = incidents.get(connection, place.channel, place.key, lock=True)
            if stored is None or stored.sequence < place.sequence:
                incidents.put(connection, [place])
            outbox.add(connection, [entry.delivery])
        told = entry.delivery
        outbox.mark_sent(connection, told.channel, told.key, told.sequence)


def _is_newer(alert: Alert, stored: Alert | None) -> bool:
    return stored is None or (stored.evaluated_at or 0.0) < (alert.evaluated_at or 0.0)
