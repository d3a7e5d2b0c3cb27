"""Incidents: what a channel was told under one key, and what became of it.

The row is written in the transaction of the outbox rows that belong to it, so that what was said and what is
to be said never part.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Column, Connection, Float, LargeBinary, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import DAEMON, Stream
from monitor.store.db import metadata

Member = tuple[str, int]
"""An alert and its episode: (fingerprint, episode)."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One conversation with one channel.

    `kind` is `single`, `group` or `storm`; `group` is what its members have in common. `sequence` is that of
    the last delivery, `updated_at` when that was made, and `told` how many members it named; `joined_at` is
    when the last member came. `accepted_at` is when the channel took the page, `refused_at` when it said that
    it never will, `confirmed_at` when it was seen to have opened an incident, `dismissed_at` when a person
    closed it there by hand, `event_at` the time of the newest event that came back, `steps` how far the
    fallback ladder was climbed.
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


incidents = Table(
    "incidents",
    metadata,
    Column("channel", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float, index=True),
    Column("incident", LargeBinary, nullable=False),
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Incident)


def put(connection: Connection, changed: Iterable[Incident]) -> None:
    """Store incidents as they are now, over what was there."""
    rows = [
        {
            "channel": incident.channel,
            "key": incident.key,
            "opened_at": incident.opened_at,
            "closed_at": incident.closed_at,
            "incident": _encoder.encode(incident),
        }
        for incident in changed
    ]
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(incidents)
    updated = {name: statement.excluded[name] for name in ("closed_at", "incident")}
    connection.execute(statement.on_conflict_do_update(index_elements=["channel", "key"], set_=updated), rows)


def load_open(connection: Connection, *, lock: bool = False) -> list[Incident]:
    """Incidents that are not closed, oldest first; locked where they are to be changed."""
    query = select(incidents.c.incident).where(incidents.c.closed_at.is_(None))
    query = query.order_by(incidents.c.opened_at, incidents.c.channel, incidents.c.key)
    return [_decoder.decode(row[0]) for row in connection.execute(query.with_for_update() if lock else query)]


def load_since(connection: Connection, moment: float) -> list[Incident]:
    """Incidents that were opened at `moment` or later, oldest first."""
    query = select(incidents.c.incident).where(incidents.c.opened_at >= moment)
    return [_decoder.decode(row[0]) for row in connection.execute(query.order_by(incidents.c.opened_at))]


def load_closed_since(connection: Connection, moment: float) -> list[Incident]:
    """Incidents that were closed at `moment` or later, in the order of their ends."""
    query = select(incidents.c.incident).where(incidents.c.closed_at >= moment)
    return [_decoder.decode(row[0]) for row in connection.execute(query.order_by(incidents.c.closed_at))]


def get(connection: Connection, channel: str, key: str, *, lock: bool = False) -> Incident | None:
    """One incident; locked where it is to be changed."""
    query = select(incidents.c.incident).where(incidents.c.channel == channel, incidents.c.key == key)
    blob = connection.execute(query.with_for_update() if lock else query).scalar()
    return None if blob is None else _decoder.decode(blob)


def delete_before(connection: Connection, moment: float) -> int:
    """Delete incidents that were closed before `moment`; how many there were."""
    return connection.execute(delete(incidents).where(incidents.c.closed_at < moment)).rowcount
