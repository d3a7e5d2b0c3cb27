"""Windows whose profile changed since they were measured: written with the profile, deleted with the measurements.

Between the two a daemon may die; what it did not measure still stands here.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, bindparam, delete, select

from monitor.records import Stream, Window
from monitor.store import register
from monitor.store.db import metadata
from monitor.store.prepared import Prepared, PreparedInsert
from monitor.store.register import STREAMS

UNMEASURED = Table(
    "unmeasured",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
)


_NOTE = PreparedInsert(UNMEASURED)
_REMOVE = Prepared(
    delete(UNMEASURED).where(
        *(UNMEASURED.c[name] == bindparam(name) for name in ("stream", "seconds", "start"))
    )
)


def add(connection: Connection, stream: Stream, windows: Iterable[Window], now: float) -> None:
    """Say that these windows have to be measured (again)."""
    number = register.key(connection, stream, now)
    rows = [{"stream": number, "seconds": window.seconds, "start": window.start} for window in windows]
    _NOTE.run(connection, rows)


def load(connection: Connection) -> dict[Stream, list[Window]]:
    """What is to be measured, by stream, oldest first."""
    query = select(
        STREAMS.c.client, STREAMS.c.model, STREAMS.c.environment, UNMEASURED.c.seconds, UNMEASURED.c.start
    )
    query = query.join(STREAMS, STREAMS.c.id == UNMEASURED.c.stream).order_by(UNMEASURED.c.start)
    found: dict[Stream, list[Window]] = {}
    for client, model, environment, seconds, start in connection.execute(query):
        found.setdefault(Stream(client, model, environment), []).append(Window(start, start + seconds))
    return found


def remove(connection: Connection, stream: Stream, windows: Sequence[Window]) -> None:
    """Say that these windows were measured."""
    number = register.find(connection, stream)
    rows = [{"stream": number, "seconds": window.seconds, "start": window.start} for window in windows]
    _REMOVE.run_for_each(connection, rows)
