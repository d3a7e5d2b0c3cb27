"""How often the profiles of a stream changed, its outcomes found predictions, or its log was put in order: by this,
whoever read them outside of a transaction that writes sees whether what was made of them still holds.
"""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import Stream
from monitor.store import register
from monitor.store.db import metadata
from monitor.store.prepared import Prepared

REVISIONS = Table(
    "revisions",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)


def _raised(by: int) -> dict[str, Prepared]:
    """Adds to a stream's number, and holds it until the transaction ends: also where the row is new."""
    found = {}
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql)):
        new = dialect.insert(REVISIONS).values(stream=bindparam("key", type_=BigInteger), number=by)
        number = REVISIONS.c.number
        taken = new.on_conflict_do_update(index_elements=["stream"], set_={"number": number + by})
        found[name] = Prepared(taken.returning(number))
    return found


_ADVANCE, _HOLD = _raised(1), _raised(0)
_READ = Prepared(select(REVISIONS.c.number).where(REVISIONS.c.stream == bindparam("key")))


def advance(connection: Connection, stream: Stream, now: float) -> int:
    """Say that profiles of a stream change, and return the new number. Call it before they are read: another process
    waits here for the end of this transaction, and then reads what this one wrote.
    """
    return _run(_ADVANCE, connection, stream, now)


def read(connection: Connection, stream: Stream) -> int:
    """The number now; 0 where nothing was counted yet."""
    row = _READ.row(connection, {"key": register.find(connection, stream)})
    return 0 if row is None else int(row[0])


def hold(connection: Connection, stream: Stream, now: float) -> int:
    """The number, which nobody else changes until this transaction ends."""
    return _run(_HOLD, connection, stream, now)


def _run(statements: Mapping[str, Prepared], connection: Connection, stream: Stream, now: float) -> int:
    row = statements[connection.dialect.name].row(connection, {"key": register.key(connection, stream, now)})
    assert row is not None
    return int(row[0])
