"""Which workers are alive, and which division of the streams among them is in force.

Each live worker has a lease in `leases`, whose token is the number of the division in which it joined. One more row
holds the number of the division that is in force: it grows whenever a worker joins or leaves. A worker writes only in
transactions in which the division that it was given is in force. So a worker that was paused beyond its lease writes
nothing, and no two workers write about one stream at the same time.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from monitor.store.leases import clock, leases
from monitor.store.statements import insert_new, replace

_NUMBER = "workers"
_WORKER = "worker:"


@dataclass(frozen=True, slots=True)
class Division:
    """The names of the live workers, in order, and the number of this division of the streams among them."""

    number: int
    workers: tuple[str, ...] = ()


def divide(
    connection: Connection, daemon: str, workers: Collection[str], now: float, seconds: float
) -> Division:
    """Renew the leases of the live `workers` of a daemon for `seconds`. Those of its other workers end, and those that
    have expired. Waits for the transactions of workers, so that none of an older division is left.
    """
    free = {"name": _NUMBER, "holder": "", "token": 0, "expires_at": 0.0}
    insert_new(connection, leases, [free], ["name"])
    locked = select(leases.c.token).where(leases.c.name == _NUMBER).with_for_update()
    number = int(connection.execute(locked).scalar_one())
    moment = clock(connection, now)
    known = {
        row.name.removeprefix(_WORKER): row
        for row in connection.execute(
            select(leases).where(leases.c.name.startswith(_WORKER, autoescape=True))
        )
    }
    is_alone = connection.dialect.name == "sqlite"  # one daemon: all others have ended
    others = {
        name
        for name, row in known.items()
        if row.holder != daemon and not is_alone and moment < row.expires_at <= moment + 2 * seconds
    }
    gone = known.keys() - others - set(workers)
    joined = {name for name in workers if name not in known or known[name].holder != daemon}
    if gone or joined:
        number += 1
        connection.execute(update(leases).where(leases.c.name == _NUMBER).values(token=number))
        connection.execute(delete(leases).where(leases.c.name.in_([_WORKER + name for name in sorted(gone)])))
    rows = [
        {
            "name": _WORKER + name,
            "holder": daemon,
            "token": number if name in joined else known[name].token,
            "expires_at": moment + seconds,
        }
        for name in sorted(workers)
    ]
    replace(connection, leases, rows, ("name",))
    return Division(number, tuple(sorted(others | set(workers))))


def renew(connection: Connection, daemon: str, workers: Collection[str], now: float, seconds: float) -> None:
    """Renew the leases of a daemon's `workers`, unless they have been taken from it."""
    theirs = (leases.c.holder == daemon, leases.c.name.in_([_WORKER + name for name in sorted(workers)]))
    connection.execute(update(leases).where(*theirs).values(expires_at=clock(connection, now) + seconds))


def is_in_force(connection: Connection, division: Division) -> bool:
    """Whether the division has not been replaced; it then stays until the transaction ends."""
    query = select(leases.c.token).where(leases.c.name == _NUMBER).with_for_update(read=True)
    return connection.scalar(query) == division.number
