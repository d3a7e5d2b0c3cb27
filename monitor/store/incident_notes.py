"""What the delivery lead writes about an incident, for the client. Natural key: the alert, the start and the time.

A note is never changed: a wrong one is withdrawn, and another one is written.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)

from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, whole_number, words
from monitor.store.statements import insert_new
from monitor.text_limits import NAME

NOTES = Table(
    "incident_notes",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("started", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, primary_key=True),
    Column("id", String(12), nullable=False, unique=True),
    Column("client", String(NAME), nullable=False, index=True),
    Column("author", String(256), nullable=False),
    Column("text", Text, nullable=False),
    Column("withdrawn_at", Float, nullable=True),
)


@dataclass(frozen=True, slots=True)
class IncidentNote:
    """One update on an incident: that of the alert `fingerprint` which began in the second `started`."""

    fingerprint: str
    started: int
    at: float
    client: str
    author: str
    text: str
    withdrawn_at: float | None = None

    @property
    def id(self) -> str:
        """What a command or a form names it by."""
        key = f"{self.fingerprint}|{self.started}|{self.at!r}"
        return hashlib.sha256(key.encode()).hexdigest()[:12]


_FIELDS = tuple(IncidentNote.__slots__)


def add(connection: Connection, note: IncidentNote) -> bool:
    """Store a note; False where one of this moment is stored already."""
    row = {name: getattr(note, name) for name in _FIELDS}
    return bool(insert_new(connection, NOTES, [{**row, "id": note.id}], ("id",)))


def of_client(connection: Connection, client: str) -> list[IncidentNote]:
    """The notes of a client's incidents that are not withdrawn, oldest first."""
    query = select(NOTES).where(NOTES.c.client == client, NOTES.c.withdrawn_at.is_(None))
    faults, notes = faults_of(connection), []
    for row in connection.execute(query.order_by(NOTES.c.at, NOTES.c.id)):
        with faults.isolate("incident_notes", f"{row.client} {row.id}"):
            notes.append(_note(row))
    return notes


def withdraw(connection: Connection, client: str, identity: str, now: float) -> bool:
    """Take a note back; whether there was one to take back."""
    changed = update(NOTES).where(
        NOTES.c.client == client, NOTES.c.id == identity, NOTES.c.withdrawn_at.is_(None)
    )
    return connection.execute(changed.values(withdrawn_at=now)).rowcount > 0


def client_of(connection: Connection, identity: str) -> str | None:
    """The client whose incident a note is about; None for an unknown note."""
    client: str | None = connection.scalar(select(NOTES.c.client).where(NOTES.c.id == identity))
    return client


def last_change(connection: Connection, client: str) -> tuple[float | None, float | None]:
    """When a note of a client was last written, and when one was last withdrawn."""
    query = select(func.max(NOTES.c.at), func.max(NOTES.c.withdrawn_at)).where(NOTES.c.client == client)
    row = connection.execute(query).one()
    return row[0], row[1]


def delete_before(connection: Connection, before: float) -> int:
    """Delete notes that were written before; how many there were."""
    return connection.execute(delete(NOTES).where(NOTES.c.at < before)).rowcount


def _note(row: Any) -> IncidentNote:
    started = whole_number(row.started)
    return IncidentNote(
        words(row.fingerprint), started, moment(row.at), words(row.client), words(row.author), words(row.text)
    )
