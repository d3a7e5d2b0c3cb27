"""The batches of the prediction log: one row a batch, its rows as one compressed Arrow blob.

The natural key of a batch is stream, window and digest: the same batch written twice is there once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from monitor.records import Stream, Window
from monitor.store import register
from monitor.store.db import metadata, whole
from monitor.store.prepared import Prepared, PreparedInsert

BATCHES = Table(
    "prediction_batches",
    metadata,
    Column("id", register.KEY, primary_key=True),
    Column("stream", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("searched", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    UniqueConstraint("stream", "start", "digest"),
    sqlite_autoincrement=True,
)
_OPEN = ~BATCHES.c.counted
Index(
    "ix_prediction_batches_uncounted",
    BATCHES.c.stream,
    BATCHES.c.id,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
_NEW = ~BATCHES.c.searched
Index(
    "ix_prediction_batches_unsearched",
    BATCHES.c.stream,
    BATCHES.c.id,
    sqlite_where=_NEW,
    postgresql_where=_NEW,
)


INGESTED = 8
"""Bytes of the random digest of a batch from the ingest. One of history has a longer digest, of its content."""

_SETTLED = (BATCHES.c.counted, BATCHES.c.searched, func.length(BATCHES.c.digest) == INGESTED)
_INSERT = PreparedInsert(BATCHES)
_AT_ONCE = 64
_NO_LIMIT = 2**62
_MINE = BATCHES.c.stream == bindparam("number")
_THESE = BATCHES.c.id.in_([bindparam(f"batch{n}") for n in range(_AT_ONCE)])
_KEPT = select(
    BATCHES.c.id, BATCHES.c.start, BATCHES.c.end, BATCHES.c.rows, BATCHES.c.blob, BATCHES.c.received_at
)
_UNCOUNTED = Prepared(_KEPT.where(_MINE, _OPEN).order_by(BATCHES.c.id).limit(bindparam("most")))
_SOME = Prepared(_KEPT.where(_THESE).order_by(BATCHES.c.id))
_UNSEARCHED = Prepared(
    select(BATCHES.c.id, BATCHES.c.ids)
    .where(_MINE, _NEW, BATCHES.c.id <= bindparam("last"))
    .order_by(BATCHES.c.id)
)
# By the index of windows: one by number would be another index to write for each batch.
_SEARCHED = Prepared(
    select(BATCHES.c.id, BATCHES.c.start, BATCHES.c.ids)
    .where(_MINE, BATCHES.c.searched, BATCHES.c.start <= bindparam("start"))
    .where(or_(BATCHES.c.start < bindparam("start"), BATCHES.c.id < bindparam("before")))
    .order_by(BATCHES.c.start.desc(), BATCHES.c.id.desc())
    .limit(bindparam("most"))
)
_COUNT = Prepared(update(BATCHES).where(_THESE, _OPEN).values(counted=True))
_SCATTERED = Prepared(
    select(BATCHES.c.start, BATCHES.c.end)
    .where(_MINE, BATCHES.c.start >= bindparam("first"), BATCHES.c.start < bindparam("last"))
    .where(BATCHES.c.end <= bindparam("before"), *_SETTLED)
    .group_by(BATCHES.c.start, BATCHES.c.end)
    .having(func.count() > 1)
    .order_by(BATCHES.c.start)
)
_SEARCH = Prepared(update(BATCHES).where(_THESE).values(searched=True))


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch on its way into the store. `latest` is the time of its latest row, in seconds."""

    stream: Stream
    window: Window
    rows: int
    latest: float
    digest: bytes
    ids: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it lies in the store; `monitor.predictions.batches.decode` reads the blob."""

    id: int
    stream: Stream
    window: Window
    rows: int
    blob: bytes
    received_at: float


def put(connection: Connection, batches: Sequence[NewBatch], now: float) -> int:
    """Write batches that are not there yet, move their streams' figures along, and return the rows written."""
    written = 0
    for stream in dict.fromkeys(batch.stream for batch in batches):
        own = [batch for batch in batches if batch.stream == stream]
        rows, latest = sum(batch.rows for batch in own), max(batch.latest for batch in own)
        number = register.advance(connection, stream, rows, latest, now)
        fresh = [batch for batch in own if _INSERT.run(connection, [_row(number, batch, now)])]
        if len(fresh) < len(own):
            register.take_back(connection, number, rows - sum(batch.rows for batch in fresh))
        written += sum(batch.rows for batch in fresh)
    return written


def uncounted(connection: Connection, stream: Stream, limit: int = 1000) -> list[StoredBatch]:
    """The oldest batches that are in no profile yet, at most `limit`."""
    rows = _UNCOUNTED.run(connection, {"number": register.find(connection, stream), "most": limit})
    return [_stored(stream, row) for row in rows]


def streams_with_uncounted(connection: Connection) -> list[Stream]:
    """The streams that have something to count."""
    query = select(register.STREAMS).where(
        register.STREAMS.c.id.in_(select(BATCHES.c.stream).where(_OPEN).distinct())
    )
    return [register.read(row).stream for row in connection.execute(query.order_by(register.STREAMS.c.id))]


def mark_counted(connection: Connection, ids: Sequence[int]) -> int:
    """Say that these batches are in their windows' profiles, and return how many were not until now.

    Call it in the transaction that writes the profiles; fewer than expected means that somebody else counted.
    """
    return _COUNT.run_for_each(connection, _some_at_once(ids))


def unsearched(connection: Connection, stream: Stream, last: int | None = None) -> list[tuple[int, bytes]]:
    """The batches that waiting outcomes were not held against yet, as far as the one numbered `last`: number and id
    hashes, oldest first.
    """
    values = {"number": register.find(connection, stream), "last": _NO_LIMIT if last is None else last}
    rows = _UNSEARCHED.run(connection, values)
    return [(row.id, bytes(row.ids)) for row in rows]


def searched_ids(connection: Connection, stream: Stream) -> Iterator[list[tuple[int, bytes]]]:
    """The other batches, those of the newest windows first, few at a time and then more: number and id hashes."""
    here = register.find(connection, stream)
    start, number, most = _NO_LIMIT, _NO_LIMIT, 32
    while True:
        values = {"number": here, "start": start, "before": number, "most": most}
        rows = _SEARCHED.run(connection, values).all()
        if not rows:
            return
        yield [(row.id, bytes(row.ids)) for row in rows]
        start, number, most = rows[-1].start, rows[-1].id, min(4 * most, 2048)


def mark_searched(connection: Connection, ids: Sequence[int]) -> None:
    """Say that all outcomes that wait were held against these batches."""
    _SEARCH.run_for_each(connection, _some_at_once(ids))


def some(connection: Connection, stream: Stream, numbers: Sequence[int]) -> Iterator[StoredBatch]:
    """Batches of a stream by their numbers, oldest first; some at a time in memory."""
    for values in _some_at_once(sorted(numbers)):
        yield from (_stored(stream, row) for row in _SOME.run(connection, values).all())


def batches(connection: Connection, stream: Stream, start: float, end: float) -> Iterator[StoredBatch]:
    """The batches of the windows that begin in `[start, end)`, in order of time; one at a time in memory."""
    inside = (BATCHES.c.start >= int(start), BATCHES.c.start < whole(end))
    query = select(BATCHES.c.id).where(BATCHES.c.stream == register.number(stream), *inside)
    for number in connection.scalars(query.order_by(BATCHES.c.start, BATCHES.c.id)).all():
        row = connection.execute(_batches(stream).where(BATCHES.c.id == number)).first()
        if row is not None:
            yield _stored(stream, row)


def ids(connection: Connection, number: int) -> bytes:
    """The id hashes of one batch."""
    return bytes(connection.execute(select(BATCHES.c.ids).where(BATCHES.c.id == number)).scalar_one())


def scattered(connection: Connection, stream: Stream, begun: Window, before: float) -> list[Window]:
    """Windows that began inside `begun`, ended `before`, and have several settled batches from the ingest, in order."""
    values: dict[str, Any] = {"number": register.find(connection, stream), "before": before}
    values |= {"first": begun.start, "last": begun.end}
    return [Window(row.start, row.end) for row in _SCATTERED.run(connection, values)]


def settled(connection: Connection, stream: Stream, window: Window) -> list[tuple[int, int]]:
    """The batches of a window that came by the ingest and are done with: number and rows, oldest first."""
    mine = (BATCHES.c.stream == register.number(stream), BATCHES.c.start == window.start, *_SETTLED)
    query = select(BATCHES.c.id, BATCHES.c.rows).where(*mine).order_by(BATCHES.c.id)
    return [(row.id, row.rows) for row in connection.execute(query)]


def replace(
    connection: Connection, stream: Stream, numbers: Sequence[int], batch: NewBatch, received_at: float
) -> int:
    """Put one settled batch in the place of several, and return its number."""
    for at in range(0, len(numbers), 500):
        connection.execute(delete(BATCHES).where(BATCHES.c.id.in_(numbers[at : at + 500])))
    row = _row(register.key(connection, stream, received_at), batch, received_at) | {
        "counted": True,
        "searched": True,
    }
    return int(connection.execute(BATCHES.insert().values(row).returning(BATCHES.c.id)).scalar_one())


def count_rows(connection: Connection, stream: Stream, before: float | None = None) -> int:
    """Rows of a stream that are in the log now (older ones may have been deleted), in windows that begin before."""
    query = select(func.coalesce(func.sum(BATCHES.c.rows), 0)).where(
        BATCHES.c.stream == register.number(stream)
    )
    query = query if before is None else query.where(BATCHES.c.start < whole(before))
    return int(connection.scalar(query) or 0)


def _some_at_once(numbers: Sequence[int]) -> list[dict[str, int]]:
    """Values for a statement about `_AT_ONCE` batches; the last one stands for those that are not there."""
    parts = [numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE)]
    return [{f"batch{n}": some[min(n, len(some) - 1)] for n in range(_AT_ONCE)} for some in parts]


def _batches(stream: Stream) -> Any:
    return _KEPT.where(BATCHES.c.stream == register.number(stream))


def _stored(stream: Stream, row: Row[Any]) -> StoredBatch:
    return StoredBatch(row.id, stream, Window(row.start, row.end), row.rows, bytes(row.blob), row.received_at)


def _row(number: int, batch: NewBatch, now: float) -> dict[str, Any]:
    return {
        "stream": number,
        "start": batch.window.start,
        "end": batch.window.end,
        "rows": batch.rows,
        "received_at": now,
        "counted": False,
        "searched": False,
        "digest": batch.digest,
        "ids": batch.ids,
        "blob": batch.blob,
    }
