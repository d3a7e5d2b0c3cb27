"""A version number per stream, raised when its profiles, matched outcomes or log change.

A reader outside the writing transaction compares it to see whether its results are still valid.
"""

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, select
from sqlalchemy.sql.expression import ClauseElement

from monitor.records import Stream
from monitor.store import streams
from monitor.store.db import metadata
from monitor.store.prepared import Prepared
from monitor.store.statements import upsert

REVISIONS = Table(
    "revisions",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)


def _raised(by: int) -> Prepared:
    """A statement that adds to a stream's number, and locks it until the transaction ends, also if the row is new."""
    number = REVISIONS.c.number

    def statement(dialect: str) -> ClauseElement:
        adding = upsert(dialect, REVISIONS, ["stream"], lambda _: {"number": number + by})
        new = adding.values(stream=bindparam("key", type_=BigInteger), number=by)
        answering: ClauseElement = new.returning(number)
        return answering

    return Prepared(statement)


_ADVANCE, _HOLD = _raised(1), _raised(0)
_READ = Prepared(select(REVISIONS.c.number).where(REVISIONS.c.stream == bindparam("key")))


def advance(connection: Connection, stream: Stream, now: float) -> int:
    """Raise the number of a stream whose profiles are about to change, and return it.

    Call it before reading the profiles: another process waits here until this transaction ends, and then reads its
    result.
    """
    return _run(_ADVANCE, connection, stream, now)


def read(connection: Connection, stream: Stream) -> int:
    """The current number; 0 if nothing has been counted yet."""
    row = _READ.row(connection, {"key": streams.find(connection, stream)})
    return 0 if row is None else int(row[0])


def hold(connection: Connection, stream: Stream, now: float) -> int:
    """The current number, locked until this transaction ends."""
    return _run(_HOLD, connection, stream, now)


def _run(statement: Prepared, connection: Connection, stream: Stream, now: float) -> int:
    row = statement.row(connection, {"key": streams.key(connection, stream, now)})
    assert row is not None
    return int(row[0])
