"""Which digests went out for which local date, and who does not want them any more."""

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Float, String, Table, func, select

from monitor.store.db import metadata
from monitor.store.upsert import insert_new

digests = Table(
    "digests",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("composed_at", Float, nullable=False),
    Column("outcome", String(16), nullable=False),
)
unsubscribed = Table(
    "unsubscribed",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("at", Float, nullable=False),
)


def claim(connection: Connection, client: str, kind: str, day: str, now: float, outcome: str) -> bool:
    """Note that the digest of a local date is out; False where it was before, by this process or another."""
    row = {"client": client, "kind": kind, "day": day, "composed_at": now, "outcome": outcome}
    return bool(insert_new(connection, digests, [row], ("day",)))


def is_out(connection: Connection, client: str, kind: str, day: str) -> bool:
    """Whether the digest of a local date was composed."""
    query = select(digests.c.day).where(
        digests.c.client == client, digests.c.kind == kind, digests.c.day == day
    )
    return connection.execute(query).first() is not None


def last_composed(connection: Connection) -> dict[tuple[str, str], float]:
    """When each digest was last composed: (client, kind) to seconds since the epoch."""
    key = (digests.c.client, digests.c.kind)
    query = select(*key, func.max(digests.c.composed_at)).group_by(*key)
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def unsubscribe(connection: Connection, client: str, address: str, now: float) -> None:
    """Send this address no more digests of this client."""
    insert_new(connection, unsubscribed, [{"client": client, "address": address, "at": now}], ("client",))


def wanted(connection: Connection, client: str, addresses: Iterable[str]) -> list[str]:
    """The addresses that have not unsubscribed."""
    query = select(unsubscribed.c.address).where(unsubscribed.c.client == client)
    gone = set(connection.scalars(query))
    return [address for address in addresses if address.lower() not in gone]
