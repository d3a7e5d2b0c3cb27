"""Incidents: what was sent to a channel under one key, and how the channel responded.

An incident is written in the same transaction as its outbox rows, so that both always agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, LargeBinary, Select, String, Table, delete, select

from monitor.records import DAEMON, Stream
from monitor.store import rows
from monitor.store.checksums import seal, unseal
from monitor.store.db import faults_of, metadata
from monitor.store.statements import upsert

Member = tuple[str, int]
"""An alert and its episode: (fingerprint, episode)."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One conversation with one channel.

    `kind` is `single`, `group`, `storm`, `kind` (another kind of problem of an alert that was sent) or `fallback`;
    `group` is what its members have in common. `sequence` is that of the last delivery, `updated_at` when that was
    made. `told` is how many members were named so far, `told_at` when each of them was named first, `told_ended` how
    many of them the last delivery named as ended; `kinds` are the kinds of problem that were named, as (fingerprint,
    error type or column). `joined_at` is when the last member came. `accepted_at` is when the channel took the page,
    `refused_at` when it said that it never will, `confirmed_at` when it was seen to have opened an incident,
    `dismissed_at` when a person closed it there by hand, `event_at` the time of the newest event that came back,
    `steps` how far the fallback ladder was climbed, `due_at` from when on it may be sent: office hours open, or a
    silence ended.
    """

    channel: str
    key: str
    kind: str
    group: str
    severity: str
    opened_at: float
    members: tuple[Member, ...] = ()
    sequence: int = 0
    updated_at: float = 0.0
    joined_at: float = 0.0
    told: int = 0
    closed_at: float | None = None
    accepted_at: float | None = None
    refused_at: float | None = None
    confirmed_at: float | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    dismissed_at: float | None = None
    event_at: float = 0.0
    steps: int = 0
    stream: Stream = DAEMON
    rule: str = ""
    due_at: float = 0.0
    told_at: tuple[float, ...] = ()
    told_ended: int = 0
    kinds: tuple[tuple[str, str], ...] = ()


incidents = Table(
    "incidents",
    metadata,
    Column("channel", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float, index=True),
    Column("incident", LargeBinary, nullable=False),
)

_STORED = (incidents.c.channel, incidents.c.key, incidents.c.incident)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Incident)


def put(connection: Connection, changed: Iterable[Incident]) -> None:
    """Insert or replace incidents."""
    written = [
        {
            "channel": incident.channel,
            "key": incident.key,
            "opened_at": incident.opened_at,
            "closed_at": incident.closed_at,
            "incident": seal(_encoder.encode(incident)),
        }
        for incident in changed
    ]
    writing = upsert(connection.dialect.name, incidents, ("channel", "key"), ("closed_at", "incident"))
    rows.write_each(connection, writing, written, "incidents", lambda row: f"{row['channel']} {row['key']}")


def load_open(connection: Connection, *, lock: bool = False) -> list[Incident]:
    """Open incidents, oldest first; with `lock`, their rows are locked for a change."""
    query = select(*_STORED).where(incidents.c.closed_at.is_(None))
    query = query.order_by(incidents.c.opened_at, incidents.c.channel, incidents.c.key)
    return _decoded(connection, query.with_for_update() if lock else query)


def load_since(connection: Connection, moment: float) -> list[Incident]:
    """Incidents that were opened at `moment` or later, oldest first."""
    query = select(*_STORED).where(incidents.c.opened_at >= moment)
    return _decoded(connection, query.order_by(incidents.c.opened_at))


def load_closed_since(connection: Connection, moment: float) -> list[Incident]:
    """Incidents that were closed at `moment` or later, by time of closing."""
    query = select(*_STORED).where(incidents.c.closed_at >= moment)
    return _decoded(connection, query.order_by(incidents.c.closed_at))


def get(connection: Connection, channel: str, key: str, *, lock: bool = False) -> Incident | None:
    """One incident, or None; with `lock`, its row is locked for a change."""
    query = select(*_STORED).where(incidents.c.channel == channel, incidents.c.key == key)
    matching = _decoded(connection, query.with_for_update() if lock else query)
    return matching[0] if matching else None


def delete_before(connection: Connection, moment: float) -> int:
    """Delete incidents that were closed before `moment`; the number of rows."""
    return connection.execute(delete(incidents).where(incidents.c.closed_at < moment)).rowcount


def _decoded(connection: Connection, query: Select[Any]) -> list[Incident]:
    """The incidents that can be read. A damaged one is reported as a fault, and its alerts are notified again."""
    faults, decoded = faults_of(connection), []
    for channel, key, blob in connection.execute(query):
        with faults.isolate("incidents", f"{channel} {key}"):
            incident = _decoder.decode(unseal(blob))
            if (incident.channel, incident.key) != (channel, key):
                msg = f"it contains another incident: {incident.channel} {incident.key}"
                raise ValueError(msg)
            rows.moment(incident.opened_at)
            rows.whole_number(incident.sequence)
            decoded.append(incident)
    return decoded
