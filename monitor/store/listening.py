"""When a daemon was there to take predictions in: silence is only what was listened to."""

from sqlalchemy import Column, Connection, Float, String, Table, delete, select, update

from monitor.store.db import metadata
from monitor.store.upsert import insert_new

listening = Table(
    "listening",
    metadata,
    Column("holder", String(64), primary_key=True),
    Column("since", Float, primary_key=True),
    Column("until", Float, nullable=False, index=True),
)


def put(connection: Connection, holder: str, since: float, until: float) -> None:
    """Write down that a process has been listening from `since` to `until` (seconds since the epoch)."""
    row = {"holder": holder, "since": since, "until": until}
    insert_new(connection, listening, [row], ["holder", "since"])
    own = (listening.c.holder == holder, listening.c.since == since)
    connection.execute(update(listening).where(*own).values(until=until))


def load(connection: Connection, after: float) -> list[tuple[float, float]]:
    """The periods, of all processes, that ended after a moment."""
    found = connection.execute(
        select(listening.c.since, listening.c.until)
        .where(listening.c.until > after)
        .order_by(listening.c.since)
    )
    return [(row.since, row.until) for row in found]


def delete_before(connection: Connection, before: float) -> int:
    """Forget the periods that ended before; return how many."""
    return connection.execute(delete(listening).where(listening.c.until < before)).rowcount
