"""Which digests went out for which local date, and who does not want them any more."""

import secrets

from sqlalchemy import Column, Connection, Float, String, Table, func, select, update

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
readers = Table(
    "digest_readers",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("left_at", Float),
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


def token(connection: Connection, client: str, address: str) -> str | None:
    """What a reader's unsubscribe link carries; None for one who does not want digests of this client any more."""
    row = {"client": client, "address": address.lower(), "token": secrets.token_urlsafe(24), "left_at": None}
    insert_new(connection, readers, [row], ("client",))
    query = select(readers).where(readers.c.client == client, readers.c.address == address.lower())
    found = connection.execute(query).one()
    return str(found.token) if found.left_at is None else None


def unsubscribe(connection: Connection, carried: str, now: float) -> tuple[str, str] | None:
    """Send the reader of this link no more digests: (client, address), or None where the link is not ours."""
    row = connection.execute(select(readers).where(readers.c.token == carried)).first()
    if row is None:
        return None
    connection.execute(update(readers).where(readers.c.token == carried).values(left_at=now))
    return row.client, row.address


def subscribe(connection: Connection, carried: str) -> tuple[str, str] | None:
    """Send them to the reader of this link again: (client, address), or None where the link is not ours."""
    changed = update(readers).where(readers.c.token == carried).values(left_at=None)
    row = connection.execute(changed.returning(readers.c.client, readers.c.address)).first()
    return None if row is None else (row.client, row.address)
