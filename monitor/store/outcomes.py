"""Outcomes on their way to their predictions, and what is known of predictions since.

A batch of outcomes is `new` until it was held against the whole log; what matched nothing then lies in `waiting`
batches, which are held against new predictions only. What matched is written beside the batch of predictions it
belongs to, in `known`, so that nothing is counted twice and the log can be counted again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from monitor.records import Stream
from monitor.store import predictions, register
from monitor.store.ageing import Aged
from monitor.store.db import metadata
from monitor.store.prepared import Prepared, PreparedReplace
from monitor.store.upsert import insert_new

OUTCOMES = Table(
    "outcome_batches",
    metadata,
    Column("id", register.KEY, primary_key=True),
    Column("stream", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("waiting", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    UniqueConstraint("stream", "digest"),
    sqlite_autoincrement=True,
)

KNOWN = Table(
    "known_outcomes",
    metadata,
    Column("batch", register.KEY, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)
_PUT_KNOWN = PreparedReplace(KNOWN, ("batch",))

COUNTS = Table(
    "outcome_counts",
    metadata,
    Column("stream", register.KEY, primary_key=True, autoincrement=False),
    Column("received", BigInteger, nullable=False),
    Column("matched", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
)

AGED_PREDICTIONS = Aged(predictions.BATCHES, ("stream",), dependents=(KNOWN.c.batch,))
"""The batches of the prediction log, with what is known of them."""

_PENDING = {
    waiting: Prepared(
        select(OUTCOMES)
        .where(OUTCOMES.c.stream == bindparam("number"), OUTCOMES.c.waiting.is_(waiting))
        .order_by(OUTCOMES.c.received_at, OUTCOMES.c.id)
        .limit(bindparam("most"))
    )
    for waiting in (False, True)
}


@dataclass(frozen=True, slots=True)
class NewOutcomes:
    """A batch of outcomes on its way into the store."""

    stream: Stream
    rows: int
    digest: bytes
    ids: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class StoredOutcomes:
    """A batch of outcomes in the store; `waiting` once it was held against the whole log."""

    id: int
    rows: int
    received_at: float
    waiting: bool
    ids: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Outcomes of a stream since it began: `repeated` fields were known before; `unmatched` were given up."""

    received: int = 0
    matched: int = 0
    repeated: int = 0
    unmatched: int = 0
    waiting: int = 0


NOTHING = OutcomeCounts()


def put(connection: Connection, batches: Sequence[NewOutcomes], now: float) -> None:
    """Write batches of outcomes that came in and are not there yet, and count them as received."""
    for batch in batches:
        if put_back(connection, batch, now, waiting=False):
            add(connection, batch.stream, OutcomeCounts(received=batch.rows), now)


def put_back(connection: Connection, batch: NewOutcomes, received_at: float, *, waiting: bool) -> bool:
    """Write outcomes that found no prediction yet; False where they are there."""
    number = register.key(connection, batch.stream, received_at)
    row: dict[str, Any] = {"stream": number, "rows": batch.rows, "received_at": received_at}
    row |= {"waiting": waiting, "digest": batch.digest, "ids": batch.ids, "blob": batch.blob}
    return bool(insert_new(connection, OUTCOMES, [row], ("id",)))


def pending(
    connection: Connection, stream: Stream, *, waiting: bool, limit: int = 1000, most_rows: int | None = None
) -> list[StoredOutcomes]:
    """The oldest batches of outcomes that still look for their predictions, new or waiting ones; with `most_rows`, as
    many batches as make up so many rows.
    """
    number = register.find(connection, stream)
    found: list[StoredOutcomes] = []
    left = most_rows
    for row in _PENDING[waiting].run(connection, {"number": number, "most": limit}):
        if left is not None and left <= 0:
            break
        found.append(
            StoredOutcomes(row.id, row.rows, row.received_at, row.waiting, bytes(row.ids), bytes(row.blob))
        )
        left = None if left is None else left - row.rows
    return found


def streams_with_new(connection: Connection) -> list[Stream]:
    """The streams that have outcomes which were not held against the log yet."""
    numbers = select(OUTCOMES.c.stream).where(OUTCOMES.c.waiting.is_(False)).distinct()
    columns = register.STREAMS.c
    query = select(columns.client, columns.model, columns.environment).where(columns.id.in_(numbers))
    return [Stream(*row) for row in connection.execute(query.order_by(columns.id))]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Take batches away whose outcomes are all matched, or were written again as waiting ones."""
    for at in range(0, len(ids), 500):
        connection.execute(delete(OUTCOMES).where(OUTCOMES.c.id.in_(ids[at : at + 500])))


def known(connection: Connection, batches: Sequence[int]) -> dict[int, bytes]:
    """What is known of the rows of batches of predictions, as Arrow rows with their `row` number, where anything is."""
    found: dict[int, bytes] = {}
    for at in range(0, len(batches), 500):
        query = select(KNOWN.c.batch, KNOWN.c.blob).where(KNOWN.c.batch.in_(batches[at : at + 500]))
        found |= {row.batch: bytes(row.blob) for row in connection.execute(query)}
    return found


def put_known(connection: Connection, known: Mapping[int, bytes]) -> None:
    """Replace what is known of the rows of batches of predictions."""
    _PUT_KNOWN.run(connection, [{"batch": batch, "blob": blob} for batch, blob in known.items()])


def forget(connection: Connection, batches: Sequence[int]) -> None:
    """Delete what is known of the rows of some batches."""
    for at in range(0, len(batches), 500):
        connection.execute(delete(KNOWN).where(KNOWN.c.batch.in_(batches[at : at + 500])))


def add(connection: Connection, stream: Stream, more: OutcomeCounts, now: float) -> None:
    """Add to the counts of a stream (`waiting` is not added: it is what lies there)."""
    number = register.key(connection, stream, now)
    names = ("received", "matched", "repeated", "unmatched")
    changes: dict[str, Any] = {name: COUNTS.c[name] + getattr(more, name) for name in names}
    if not connection.execute(update(COUNTS).where(COUNTS.c.stream == number).values(changes)).rowcount:
        row = {"stream": number} | {name: getattr(more, name) for name in names}
        insert_new(connection, COUNTS, [row], ("stream",))


def counts_of_all(connection: Connection) -> dict[Stream, OutcomeCounts]:
    """The same of every stream of which an outcome ever came."""
    streams, key = register.STREAMS.c, (register.STREAMS.c.client, register.STREAMS.c.model)
    lying = select(OUTCOMES.c.stream, func.sum(OUTCOMES.c.rows).label("rows")).group_by(OUTCOMES.c.stream)
    here = lying.subquery()
    figures = (COUNTS.c.received, COUNTS.c.matched, COUNTS.c.repeated, COUNTS.c.unmatched, here.c.rows)
    query = (
        select(*key, streams.environment, *(func.coalesce(figure, 0) for figure in figures))
        .outerjoin(COUNTS, COUNTS.c.stream == streams.id)
        .outerjoin(here, here.c.stream == streams.id)
        .where(or_(COUNTS.c.stream.is_not(None), here.c.stream.is_not(None)))
    )
    return {Stream(*row[:3]): OutcomeCounts(*map(int, row[3:])) for row in connection.execute(query)}


def counts(connection: Connection, stream: Stream) -> OutcomeCounts:
    """What became of the outcomes of a stream."""
    number = register.find(connection, stream)
    row = connection.execute(select(COUNTS).where(COUNTS.c.stream == number)).first()
    lying = connection.scalar(
        select(func.coalesce(func.sum(OUTCOMES.c.rows), 0)).where(OUTCOMES.c.stream == number)
    )
    if row is None:
        return OutcomeCounts(waiting=int(lying or 0))
    return OutcomeCounts(row.received, row.matched, row.repeated, row.unmatched, int(lying or 0))
