"""Outcomes that wait for their predictions, and the outcomes of stored predictions.

A batch of outcomes is `new` until it has been matched with the whole log. Outcomes without a prediction are then kept
in `waiting` batches, which are matched with new predictions only. Matched outcomes are stored in `known`, one row per
batch of predictions, so that nothing is counted twice and the log can be recounted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
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
from monitor.store import predictions
from monitor.store import streams as stream_rows
from monitor.store.checksums import HEAD
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared, prepared_upsert
from monitor.store.retention import Aged
from monitor.store.rows import blob, head, whole_number, words
from monitor.store.statements import insert_new

OUTCOMES = Table(
    "outcome_batches",
    metadata,
    Column("id", stream_rows.KEY, primary_key=True),
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
    Column("batch", stream_rows.KEY, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)
MOST = 1000
"""Batches of outcomes that are read at once."""
_FEW = 50
"""Batches of a stream up to which they are read together with those of other streams."""
_PUT_KNOWN = prepared_upsert(KNOWN, ("batch",))

COUNTS = Table(
    "outcome_counts",
    metadata,
    Column("stream", stream_rows.KEY, primary_key=True, autoincrement=False),
    Column("received", BigInteger, nullable=False),
    Column("matched", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
)

AGED_PREDICTIONS = Aged(predictions.BATCHES, ("stream",), dependents=(KNOWN.c.batch,))
"""The batches of the prediction log, with their outcomes."""

_PENDING = {
    waiting: Prepared(
        select(
            *(OUTCOMES.c[name] for name in ("id", "rows", "received_at", "waiting", "ids")),
            func.substr(OUTCOMES.c.blob, 1, HEAD).label("head"),
        )
        .where(OUTCOMES.c.stream == bindparam("number"), OUTCOMES.c.waiting.is_(waiting))
        .order_by(OUTCOMES.c.received_at, OUTCOMES.c.id)
        .limit(bindparam("most"))
    )
    for waiting in (False, True)
}


@dataclass(frozen=True, slots=True)
class NewOutcomes:
    """A batch of outcomes to be stored."""

    stream: Stream
    rows: int
    digest: bytes
    ids: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class StoredOutcomes:
    """A stored batch of outcomes, without its rows; `waiting` after it has been matched with the whole log. `head` is
    the start of its bytes.
    """

    id: int
    rows: int
    received_at: float
    waiting: bool
    ids: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Outcomes of a stream since its start: `repeated` ones were known before, `unmatched` ones have expired."""

    received: int = 0
    matched: int = 0
    repeated: int = 0
    unmatched: int = 0
    waiting: int = 0


NOTHING = OutcomeCounts()


def put(connection: Connection, batches: Sequence[NewOutcomes], now: float) -> None:
    """Insert new batches of outcomes, and count them as received; batches that are stored already are skipped."""
    for batch in batches:
        if put_back(connection, batch, now, waiting=False):
            add(connection, batch.stream, OutcomeCounts(received=batch.rows), now)


def put_back(connection: Connection, batch: NewOutcomes, received_at: float, *, waiting: bool) -> bool:
    """Insert outcomes that have no prediction yet; False if they are stored already."""
    number = stream_rows.key(connection, batch.stream, received_at)
    row: dict[str, Any] = {"stream": number, "rows": batch.rows, "received_at": received_at}
    row |= {"waiting": waiting, "digest": batch.digest, "ids": batch.ids, "blob": batch.blob}
    return bool(insert_new(connection, OUTCOMES, [row], ("id",)))


def pending(
    connection: Connection, stream: Stream, *, waiting: bool, limit: int = MOST, most_rows: int | None = None
) -> list[StoredOutcomes]:
    """The oldest batches of unmatched outcomes, either new or waiting; with `most_rows`, as many batches as hold that
    many rows.
    """
    number = stream_rows.find(connection, stream)
    batches: list[StoredOutcomes] = []
    left = most_rows
    for row in _PENDING[waiting].rows(connection, {"number": number, "most": limit}):
        if left is not None and left <= 0:
            break
        batches.append(
            StoredOutcomes(row.id, row.rows, row.received_at, row.waiting, blob(row.ids), head(row.head))
        )
        left = None if left is None else left - row.rows
    return batches


def read_pending_ahead(connection: Connection, some: Iterable[Stream], limits: Mapping[bool, int]) -> None:
    """Read what `pending` gives of those of these streams that have few batches, with a limit for each value of
    `waiting`.
    """
    numbers = [number for one in some if (number := stream_rows.find(connection, one)) is not None]
    c = OUTCOMES.c
    many = select(c.stream).where(c.stream.in_(numbers)).group_by(c.stream).having(func.count() > _FEW)
    few = set(numbers).difference(connection.scalars(many) if len(numbers) > 1 else ())
    for waiting, limit in limits.items():
        _PENDING[waiting].read_ahead(
            connection, [{"number": number, "most": limit} for number in sorted(few)]
        )


def rows_of(connection: Connection, number: int) -> bytes:
    """The rows of a batch of outcomes, encoded."""
    return blob(connection.scalar(select(OUTCOMES.c.blob).where(OUTCOMES.c.id == number)))


def streams_with_new(connection: Connection) -> list[Stream]:
    """The streams with outcomes that have not been matched with the log yet."""
    numbers = select(OUTCOMES.c.stream).where(OUTCOMES.c.waiting.is_(False)).distinct()
    columns = stream_rows.STREAMS.c
    query = select(columns.client, columns.model, columns.environment).where(columns.id.in_(numbers))
    return [Stream(*row) for row in connection.execute(query.order_by(columns.id))]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete batches whose outcomes are all matched, or were stored again as waiting ones."""
    for at in range(0, len(ids), 500):
        connection.execute(delete(OUTCOMES).where(OUTCOMES.c.id.in_(ids[at : at + 500])))


def known(connection: Connection, batches: Sequence[int]) -> dict[int, bytes]:
    """The known outcomes of batches of predictions, as Arrow rows with their `row` number, by batch."""
    blobs: dict[int, bytes] = {}
    for at in range(0, len(batches), 500):
        query = select(KNOWN.c.batch, KNOWN.c.blob).where(KNOWN.c.batch.in_(batches[at : at + 500]))
        blobs |= {row.batch: blob(row.blob) for row in connection.execute(query)}
    return blobs


def known_digest(connection: Connection, batches: Sequence[int]) -> bytes:
    """A hash of the known outcomes of batches, which changes with them."""
    digest = blake2b(digest_size=16)
    for number, content in sorted(known(connection, batches).items()):
        digest.update(b"%d:%d:" % (number, len(content)))
        digest.update(content)
    return digest.digest()


def put_known(connection: Connection, known: Mapping[int, bytes]) -> None:
    """Insert or replace the known outcomes of batches of predictions."""
    _PUT_KNOWN.run_for_each(connection, [{"batch": batch, "blob": blob} for batch, blob in known.items()])


def forget(connection: Connection, batches: Sequence[int]) -> None:
    """Delete the known outcomes of batches."""
    for at in range(0, len(batches), 500):
        connection.execute(delete(KNOWN).where(KNOWN.c.batch.in_(batches[at : at + 500])))


def add(connection: Connection, stream: Stream, more: OutcomeCounts, now: float) -> None:
    """Add to the counts of a stream, except `waiting`, which is computed from the stored batches."""
    number = stream_rows.key(connection, stream, now)
    names = ("received", "matched", "repeated", "unmatched")
    changes: dict[str, Any] = {name: COUNTS.c[name] + getattr(more, name) for name in names}
    if not connection.execute(update(COUNTS).where(COUNTS.c.stream == number).values(changes)).rowcount:
        row = {"stream": number} | {name: getattr(more, name) for name in names}
        insert_new(connection, COUNTS, [row], ("stream",))


def counts_of_all(connection: Connection) -> dict[Stream, OutcomeCounts]:
    """The counts of every stream that has received an outcome."""
    streams, key = stream_rows.STREAMS.c, (stream_rows.STREAMS.c.client, stream_rows.STREAMS.c.model)
    lying = select(OUTCOMES.c.stream, func.sum(OUTCOMES.c.rows).label("rows")).group_by(OUTCOMES.c.stream)
    here = lying.subquery()
    figures = (COUNTS.c.received, COUNTS.c.matched, COUNTS.c.repeated, COUNTS.c.unmatched, here.c.rows)
    query = (
        select(*key, streams.environment, *(func.coalesce(figure, 0) for figure in figures))
        .outerjoin(COUNTS, COUNTS.c.stream == streams.id)
        .outerjoin(here, here.c.stream == streams.id)
        .where(or_(COUNTS.c.stream.is_not(None), here.c.stream.is_not(None)))
    )
    faults, counts = faults_of(connection), {}
    for row in connection.execute(query):
        with faults.isolate("outcome_counts", "/".join(map(str, row[:3]))):
            counts[Stream(*map(words, row[:3]))] = OutcomeCounts(
                *(whole_number(int(count)) for count in row[3:])
            )
    return counts


def counts(connection: Connection, stream: Stream) -> OutcomeCounts:
    """The counts of one stream."""
    number = stream_rows.find(connection, stream)
    row = connection.execute(select(COUNTS).where(COUNTS.c.stream == number)).first()
    lying = connection.scalar(
        select(func.coalesce(func.sum(OUTCOMES.c.rows), 0)).where(OUTCOMES.c.stream == number)
    )
    if row is None:
        return OutcomeCounts(waiting=int(lying or 0))
    return OutcomeCounts(row.received, row.matched, row.repeated, row.unmatched, int(lying or 0))
