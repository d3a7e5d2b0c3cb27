"""Leases with fencing tokens: of several processes on one database, one does a job.

The token grows with each change of holder. A holder writes only in transactions in which its token is still in force,
so that a process that was paused beyond its lease writes nothing.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Float, String, Table, extract, func, select, update

from monitor.store.db import metadata
from monitor.store.statements import insert_new, replace

BEAT = "beat"
"""The name of the row that only tests whether the database can be written."""

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


def clock(connection: Connection, now: float) -> float:
    """The time for leases, in seconds since the epoch: PostgreSQL's own, which all daemons share, otherwise `now`."""
    if connection.dialect.name != "postgresql":
        return now
    return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())


def acquire(connection: Connection, name: str, holder: str, now: float, seconds: float) -> Lease | None:
    """Acquire or renew a lease for `seconds`; None while another process holds it."""
    free = {"name": name, "holder": "", "token": 0, "expires_at": 0.0}
    insert_new(connection, leases, [free], ["name"])
    row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one()
    is_database_fault = row.holder not in ("", holder)
    # A lease that ends far ahead was taken by a clock that has been set back since.
    if is_database_fault and now < row.expires_at <= now + 2 * seconds:
        return None
    lease = Lease(name, holder, row.token + (row.holder != holder), now + seconds)
    values = {"holder": holder, "token": lease.token, "expires_at": lease.expires_at}
    connection.execute(update(leases).where(leases.c.name == name).values(**values))
    return lease


def beat(connection: Connection, now: float) -> None:
    """Write a row, to test whether the database can be written."""
    row = {"name": BEAT, "holder": "", "token": 0, "expires_at": now}
    replace(connection, leases, [row], ("name",))


def is_in_force(connection: Connection, lease: Lease) -> bool:
    """Whether the lease has not been taken over; locks it until the transaction ends."""
    query = select(leases.c.token, leases.c.holder).where(leases.c.name == lease.name).with_for_update()
    return connection.execute(query).first() == (lease.token, lease.holder)


def release(connection: Connection, lease: Lease) -> None:
    """Release a lease, so that another process can acquire it at once."""
    mine = (leases.c.name == lease.name, leases.c.token == lease.token, leases.c.holder == lease.holder)
    connection.execute(update(leases).where(*mine).values(holder="", expires_at=0.0))
