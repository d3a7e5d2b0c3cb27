"""A journal of messages that were decided or sent while the store was unavailable: JSON lines, synced one by one.

A page that is decided without the database is written before it is sent, and again after it was accepted. So a daemon
that is killed in between knows which page may have been sent, and sends it again under the same key. The journal may be
replayed any number of times: rows have natural keys, and newer rows in the database are kept.
"""

import base64
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.records import Alert, Delivery, Transition
from monitor.runtime.durable_files import line_end_missing
from monitor.runtime.file_encryption import sealer_of
from monitor.runtime.file_modes import create_privately
from monitor.store import alerts, incidents, outbox
from monitor.store.incidents import Incident

log = logging.getLogger(__name__)

_PURPOSE = "spool"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One message and, if it was decided without the database, the rows behind it.

    `was_taken` is false for a message that is about to be sent: it is unknown whether the channel accepted it.
    """

    delivery: Delivery
    incident: Incident | None = None
    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    was_taken: bool = True

    @property
    def place(self) -> tuple[str, str, int]:
        """Its channel, key and sequence, which identify the message."""
        return self.delivery.channel, self.delivery.key, self.delivery.sequence


class Journal:
    """The file. Entries that cannot be written, because the disk is full, are kept in memory until they
    are replayed.
    """

    def __init__(self, path: Path, key: str = "") -> None:
        self._path = path
        self._key = key
        self._unwritten: list[JournalEntry] = []

    def write(self, entry: JournalEntry) -> None:
        """Append an entry, durably if possible."""
        try:
            begin = line_end_missing(self._path)
            with self._path.open("ab") as file:
                file.write(begin + sealed(msgspec.json.encode(entry), self._key) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.warning(
                "%s cannot be written, so only this process knows what was sent: %s", self._path, error
            )
            self._unwritten.append(entry)

    def read(self) -> list[JournalEntry]:
        """The entries to replay, one per message: the accepted one if it exists.

        A line that was truncated by a crash is ignored.
        """
        entries: dict[tuple[str, str, int], JournalEntry] = {}
        for entry in (*self._written(), *self._unwritten):
            earlier = entries.get(entry.place)
            if earlier is None or entry.was_taken:
                entries[entry.place] = entry
        return list(entries.values())

    def clear(self) -> None:
        """Delete the journal after a replay."""
        self._unwritten.clear()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # replaying it again changes nothing
            log.warning("%s cannot be removed: %s", self._path, error)

    def _written(self) -> Iterator[JournalEntry]:
        for line in self._lines():
            try:
                yield msgspec.json.decode(unsealed(line, self._key), type=JournalEntry)
            except (msgspec.MsgspecError, StoreError, ValueError, RecursionError) as error:
                log.warning("skipped an unreadable line of %s: %s", self._path, error)

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return []


def sealed(content: bytes, key: str) -> bytes:
    """A line of the journal, encrypted with `store.key` if there is one."""
    sealer = sealer_of(key, _PURPOSE)
    return content if sealer is None else base64.b64encode(sealer.seal(content))


def unsealed(line: bytes, key: str) -> bytes:
    """The content of a line. One that was written before there was a key is plain.

    Raises:
        StoreError: it was encrypted with another key.
        ValueError: it is damaged.
    """
    if line.startswith(b"{"):
        return line
    sealer = sealer_of(key, _PURPOSE)
    if sealer is None:
        raise StoreError("it is encrypted, and store.key is not set")
    return sealer.unseal(base64.b64decode(line, validate=True))


def reseal(spool: Path, old: str, new: str) -> None:
    """Encrypt the files of an outage with another key; empty means plain. Lines with another key are left as they are.

    Raises:
        OSError: they cannot be written.
    """
    for path in (spool, spool.with_name(spool.name + ".outage")):
        if not path.is_file():
            continue
        lines = []
        for line in path.read_bytes().splitlines():
            try:
                lines.append(sealed(unsealed(line, old), new))
            except (StoreError, ValueError):
                lines.append(line)
        beside = path.with_name(f"{path.name}.new")
        create_privately(beside)
        beside.write_bytes(b"".join(line + b"\n" for line in lines))
        beside.replace(path)


def replay(connection: Connection, entries: list[JournalEntry]) -> None:
    """Write the messages of a journal into the database.

    A message for which it is unknown whether it was accepted goes into the outbox, to be sent again under the same key.
    """
    stored: Mapping[str, Alert] = alerts.load(connection) if any(e.alerts for e in entries) else {}
    for entry in entries:
        newer = [alert for alert in entry.alerts if _is_newer(alert, stored.get(alert.fingerprint))]
        alerts.put(connection, newer)
        alerts.add_transitions(connection, entry.transitions)
        if entry.incident is not None:
            place = entry.incident
            stored_incident = incidents.get(connection, place.channel, place.key, lock=True)
            if stored_incident is None or stored_incident.sequence < place.sequence:
                incidents.put(connection, [place])
            outbox.add(connection, [entry.delivery])
        if entry.was_taken:
            outbox.mark_sent(connection, *entry.place)


def _is_newer(alert: Alert, stored: Alert | None) -> bool:
    return stored is None or (stored.evaluated_at or 0.0) < (alert.evaluated_at or 0.0)
