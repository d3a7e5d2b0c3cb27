"""Leases with fencing: of several processes on one database, one does a job, and a late one is turned away.

The token grows with each change of holder. What a holder writes is written in a transaction that still finds its
token in force: a process that was paused past its lease writes nothing.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Float, String, Table, select, update

from monitor.store.db import metadata
from monitor.store.upsert import insert_new

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A right to do something until it expires."""

    name: str
    holder: str
    token: int
    expires_at: float


def acquire(connection: Connection, name: str, holder: str, now: float, seconds: float) -> Lease | None:
    """Take or renew a lease; None while somebody else holds it."""
    free = {"name": name, "holder": "", "token": 0, "expires_at": 0.0}
    insert_new(connection, leases, [free], ["name"])
    row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one()
    is_theirs = row.holder not in ("", holder)
    # A lease that ends far ahead was taken by a clock that has been set back since.
    if is_theirs and now < row.expires_at <= now + 2 * seconds:
        return None
    lease = Lease(name, holder, row.token + (row.holder != holder), now + seconds)
    values = {"holder": holder, "token": lease.token, "expires_at": lease.expires_at}
    connection.execute(update(leases).where(leases.c.name == name).values(**values))
    return lease


def is_in_force(connection: Connection, lease: Lease) -> bool:
    """Whether nobody has taken it over since; holds it fast until the transaction ends."""
    query = select(leases.c.token, leases.c.holder).where(leases.c.name == lease.name).with_for_update()
    return connection.execute(query).first() == (lease.token, lease.holder)


def release(connection: Connection, lease: Lease) -> None:
    """Give a lease back, so that another may take it at once."""
    mine = (leases.c.name == lease.name, leases.c.token == lease.token, leases.c.holder == lease.holder)
    connection.execute(update(leases).where(*mine).values(holder="", expires_at=0.0))
