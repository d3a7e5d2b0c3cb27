"""A version number per stream, raised when its profiles, matched outcomes or log change.

A reader outside the writing transaction compares it to see whether its results are still valid.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, select
from sqlalchemy.sql.expression import ClauseElement

from monitor.records import Stream
from monitor.store import streams
from monitor.store.db import metadata, sqlite_driver
from monitor.store.prepared_statements import Prepared
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
_RAISE_SOME = """\
INSERT INTO revisions (stream, number)
SELECT raised.stream, %(more)s::bigint FROM unnest(%(streams)s::bigint[]) AS raised(stream) ORDER BY raised.stream
ON CONFLICT (stream) DO UPDATE SET number = revisions.number + %(more)s::bigint RETURNING stream, number"""
_READ = Prepared(select(REVISIONS.c.number).where(REVISIONS.c.stream == bindparam("key")))


def advance(connection: Connection, stream: Stream, now: float) -> int:
    """Raise the number of a stream whose profiles are about to change, and return it.

    Call it before reading the profiles: another process waits here until this transaction ends, and then reads its
    result.
    """
    return _run(_ADVANCE, connection, stream, now)


def read_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read the numbers of streams for `read`."""
    numbers = (streams.find(connection, stream) for stream in some)
    _READ.read_ahead(connection, [{"key": number} for number in numbers if number is not None])


def read(connection: Connection, stream: Stream) -> int:
    """The current number; 0 if nothing has been counted yet."""
    row = _READ.row(connection, {"key": streams.find(connection, stream)})
    return 0 if row is None else int(row[0])


def hold(connection: Connection, stream: Stream, now: float) -> int:
    """The current number, locked until this transaction ends."""
    return _run(_HOLD, connection, stream, now)


def advance_some(connection: Connection, some: Sequence[Stream], now: float) -> dict[Stream, int]:
    """As `advance`, of several streams: always in one order, so that two processes never wait for each other."""
    return _raise_some(connection, some, 1, now)


def hold_for_streams(connection: Connection, some: Sequence[Stream], now: float) -> dict[Stream, int]:
    """As `hold`, of several streams, in the same order."""
    return _raise_some(connection, some, 0, now)


def _raise_some(connection: Connection, some: Sequence[Stream], by: int, now: float) -> dict[Stream, int]:
    numbers = {streams.key(connection, stream, now): stream for stream in some}
    if sqlite_driver(connection) is not None:
        return {stream: _run(_HOLD if by == 0 else _ADVANCE, connection, stream, now) for stream in some}
    values = {"streams": sorted(numbers), "more": by}
    return {numbers[row.stream]: int(row.number) for row in connection.exec_driver_sql(_RAISE_SOME, values)}


def _run(statement: Prepared, connection: Connection, stream: Stream, now: float) -> int:
    row = statement.row(connection, {"key": streams.key(connection, stream, now)})
    assert row is not None
    return int(row[0])
