"""Which digests were composed for which local date, and who has unsubscribed."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, String, Table, delete, func, select, update

from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_new
from monitor.text_limits import NAME

digests = Table(
    "digests",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("composed_at", Float, nullable=False),
    Column("outcome", String(16), nullable=False),
)
readers = Table(
    "digest_readers",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("left_at", Float),
)


def claim(connection: Connection, client: str, kind: str, day: str, now: float, outcome: str) -> bool:
    """Record that the digest of a local date is composed; False if this or another process has done so before."""
    row = {"client": client, "kind": kind, "day": day, "composed_at": now, "outcome": outcome}
    return bool(insert_new(connection, digests, [row], ("day",)))


def is_out(connection: Connection, client: str, kind: str, day: str) -> bool:
    """Whether the digest of a local date has been composed."""
    query = select(digests.c.day).where(
        digests.c.client == client, digests.c.kind == kind, digests.c.day == day
    )
    return connection.execute(query).first() is not None


def last_day(connection: Connection, client: str, kind: str, before: str) -> str | None:
    """The local date, before another one, of the last digest that was composed; None without any."""
    mine = (digests.c.client == client, digests.c.kind == kind, digests.c.day < before)
    last = connection.scalar(select(func.max(digests.c.day)).where(*mine))
    return None if last is None else words(last)


def last_composed(connection: Connection) -> dict[tuple[str, str], float]:
    """When each digest was last composed: (client, kind) to seconds since the epoch."""
    key = (digests.c.client, digests.c.kind)
    query = select(*key, func.max(digests.c.composed_at)).group_by(*key)
    faults, composed = faults_of(connection), {}
    for client, kind, at in connection.execute(query):
        with faults.isolate("digests", f"{client} {kind}"):
            composed[words(client), words(kind)] = moment(at)
    return composed


def token(connection: Connection, client: str, address: str) -> str | None:
    """The token of a reader's unsubscribe link; None if the reader has unsubscribed from this client's digests."""
    row = {"client": client, "address": address.lower(), "token": secrets.token_urlsafe(24), "left_at": None}
    insert_new(connection, readers, [row], ("client",))
    query = select(readers).where(readers.c.client == client, readers.c.address == address.lower())
    reader = connection.execute(query).one()
    return str(reader.token) if reader.left_at is None else None


@dataclass(frozen=True, slots=True)
class Answered:
    """Whose link was followed, and whether that has changed anything."""

    client: str
    address: str
    is_new: bool


def unsubscribe(connection: Connection, carried: str, now: float) -> Answered | None:
    """Unsubscribe the reader with this token; None if the token is unknown."""
    return _answer(connection, carried, now)


def subscribe(connection: Connection, carried: str) -> Answered | None:
    """Subscribe the reader with this token again; None if the token is unknown."""
    return _answer(connection, carried, None)


def _answer(connection: Connection, carried: str, left_at: float | None) -> Answered | None:
    row = connection.execute(select(readers).where(readers.c.token == carried)).first()
    if row is None:
        return None
    is_new = (row.left_at is None) != (left_at is None)
    if is_new:
        connection.execute(update(readers).where(readers.c.token == carried).values(left_at=left_at))
    return Answered(words(row.client), words(row.address), is_new)


def delete_before(connection: Connection, moment: float) -> int:
    """Delete the records of digests that were composed before `moment`; the number of rows."""
    return connection.execute(delete(digests).where(digests.c.composed_at < moment)).rowcount
