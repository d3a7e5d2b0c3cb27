"""What was decided and told while the store was out of reach: a file of JSON lines, synced line by line.

A page that was decided without the database is written before it is sent, and again once it was taken: a daemon that
is killed between the two knows afterwards which page may be out, and sends it again under the same key. Replaying
the file into the database any number of times is harmless: rows have natural keys, and what is newer there stays.
"""

import logging
import os
from collections.abc import Iterator, Mapping
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
    """One message that went out, and where it was decided without the database, what it rests on.

    `was_taken` is false of a message that is about to be sent: nobody knows yet whether its receiver takes it.
    """

    delivery: Delivery
    incident: Incident | None = None
    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    was_taken: bool = True

    @property
    def place(self) -> tuple[str, str, int]:
        """Its channel, key and sequence, which make the message unique."""
        return self.delivery.channel, self.delivery.key, self.delivery.sequence


class Journal:
    """The file. What cannot be written to it, because the disk is full, is kept in memory until it is replayed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unwritten: list[Entry] = []

    def write(self, entry: Entry) -> None:
        """Append an entry, durably where that is possible."""
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(entry) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.warning(
                "%s cannot be written, so only this process knows what was sent: %s", self._path, error
            )
            self._unwritten.append(entry)

    def read(self) -> list[Entry]:
        """What is not replayed yet, one entry per message: as taken once it was, else as about to be sent.

        A line that a crash cut short is left out: it was never finished.
        """
        entries: dict[tuple[str, str, int], Entry] = {}
        for entry in (*self._written(), *self._unwritten):
            known = entries.get(entry.place)
            if known is None or entry.was_taken:
                entries[entry.place] = entry
        return list(entries.values())

    def clear(self) -> None:
        """Forget what was replayed."""
        self._unwritten.clear()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # replayed again, it changes nothing
            log.warning("%s cannot be removed: %s", self._path, error)

    def _written(self) -> Iterator[Entry]:
        for line in self._lines():
            try:
                yield msgspec.json.decode(line, type=Entry)
            except msgspec.MsgspecError as error:
                log.warning("skipped an unreadable line of %s: %s", self._path, error)

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return []


def replay(connection: Connection, entries: list[Entry]) -> None:
    """Bring the database up to what was decided and told without it.

    A message of which nobody knows whether it was taken is put into the outbox, to be sent again under the same key.
    """
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
        if entry.was_taken:
            outbox.mark_sent(connection, *entry.place)


def _is_newer(alert: Alert, stored: Alert | None) -> bool:
    return stored is None or (stored.evaluated_at or 0.0) < (alert.evaluated_at or 0.0)
