"""Who looked at which client's data, and who changed what: rows are only ever added, and age away."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, Integer, String, Table, delete, select

from monitor.store.db import metadata

entries = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("who", String(256), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("client", String(128), nullable=False, index=True),
    Column("target", String(512), nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did. `outcome` is the HTTP status; `times` how often within the minute."""

    at: float
    who: str
    address: str
    action: str
    client: str
    target: str
    outcome: int
    times: int = 1


def add(connection: Connection, new: Iterable[Entry]) -> None:
    """Append entries."""
    rows = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in new]
    if rows:
        connection.execute(entries.insert(), rows)


def latest(connection: Connection, client: str = "", limit: int = 200) -> list[Entry]:
    """The newest entries, of one client or of all, the newest first."""
    query = select(entries).order_by(entries.c.id.desc()).limit(limit)
    if client:
        query = query.where(entries.c.client == client)
    return [
        Entry(row.at, row.who, row.address, row.action, row.client, row.target, row.outcome, row.times)
        for row in connection.execute(query)
    ]


def delete_before(connection: Connection, moment: float) -> int:
    """Delete entries older than `moment`; how many there were."""
    return connection.execute(delete(entries).where(entries.c.at < moment)).rowcount
