"""When a daemon was up to accept predictions: a model is silent only while a daemon is up."""

from sqlalchemy import Column, Connection, Float, String, Table, delete, select, update

from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment
from monitor.store.statements import insert_new

listening = Table(
    "listening",
    metadata,
    Column("holder", String(64), primary_key=True),
    Column("since", Float, primary_key=True),
    Column("until", Float, nullable=False, index=True),
)


def put(connection: Connection, holder: str, since: float, until: float) -> None:
    """Record that a process was up from `since` to `until`, in seconds since the epoch."""
    row = {"holder": holder, "since": since, "until": until}
    insert_new(connection, listening, [row], ["holder", "since"])
    own = (listening.c.holder == holder, listening.c.since == since)
    connection.execute(update(listening).where(*own).values(until=until))


def load(connection: Connection, after: float) -> list[tuple[float, float]]:
    """The periods of all processes that ended after `after`: (since, until)."""
    rows = connection.execute(select(listening).where(listening.c.until > after).order_by(listening.c.since))
    faults, periods = faults_of(connection), []
    for row in rows:
        with faults.isolate("listening", f"{row.holder} {row.since}"):
            periods.append((moment(row.since), moment(row.until)))
    return periods


def delete_before(connection: Connection, before: float) -> int:
    """Delete periods that ended before `before`; the number of rows."""
    return connection.execute(delete(listening).where(listening.c.until < before)).rowcount
