"""Stored batches of rows, of predictions, outcomes, texts and samples of baselines, read and rewritten for erasure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Row, Select, Table, delete, select, update

from monitor.records import Stream
from monitor.store import baselines, outcomes, predictions, scores, streams, texts
from monitor.store.db import Store
from monitor.store.rows import blob
from monitor.store.statements import is_of_stream


@dataclass(frozen=True, slots=True)
class BatchTable:
    """A table whose rows hold batches. `blob` is the column of the rows; `is_kept_empty`: a row without rows stays."""

    table: Table
    blob: str = "blob"
    is_kept_empty: bool = False

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.table.name

    @property
    def content(self) -> Column[bytes]:
        """The column of the rows."""
        return self.table.c[self.blob]


PREDICTIONS = BatchTable(predictions.BATCHES)
OUTCOMES = BatchTable(outcomes.OUTCOMES)
TEXTS = BatchTable(texts.TEXTS, "content")
SAMPLES = BatchTable(baselines.BASELINES, "sample", is_kept_empty=True)
_KINDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredRows:
    """One batch: its rows as bytes, and the hashes of their ids, if it has any. `start` is that of its window."""

    kind: BatchTable
    id: int
    blob: bytes
    ids: bytes = b""
    start: float = 0.0


def each(store: Store, stream: Stream, kind: BatchTable) -> Iterator[StoredRows]:
    """The batches of a stream, one at a time, in transactions of their own."""
    columns = kind.table.c
    with store.read() as connection:
        if "stream" in columns:
            mine = [columns.stream == streams.find(connection, stream)]
        else:
            mine = list(is_of_stream(columns, stream))
        numbers = connection.scalars(select(columns.id).where(*mine).order_by(columns.id)).all()
    for number in numbers:
        with store.read() as connection:
            row = connection.execute(_query(kind, number)).first()
        if row is not None:
            yield _stored(kind, row)


def one(connection: Connection, known: StoredRows) -> StoredRows | None:
    """A batch as it is now; None if it was replaced."""
    row = connection.execute(_query(known.kind, known.id)).first()
    return None if row is None else _stored(known.kind, row)


def put(connection: Connection, stored: StoredRows, blob: bytes, rows: int, ids: bytes) -> None:
    """Replace the rows of a batch; one without rows is deleted."""
    table = stored.kind.table
    this = table.c.id == stored.id
    if not rows and not stored.kind.is_kept_empty:
        connection.execute(delete(table).where(this))
        if stored.kind is PREDICTIONS:
            outcomes.forget(connection, [stored.id])
        return
    values: dict[str, object] = {stored.kind.blob: blob if rows else b""}
    values |= {"rows": rows} if "rows" in table.c else {}
    values |= {"ids": ids} if "ids" in table.c else {}
    connection.execute(update(table).where(this).values(values))


def delete_scores(connection: Connection, of: str | Stream, ids: Sequence[str]) -> int:
    """Delete the scores of predictions of a client, or of one stream, with these ids; the number of rows."""
    table, deleted = scores.SCORES, 0
    for at in range(0, len(ids), _KINDS_AT_ONCE):
        owner = is_of_stream(table.c, of) if isinstance(of, Stream) else (table.c.client == of,)
        mine = (*owner, table.c.prediction.in_(ids[at : at + _KINDS_AT_ONCE]))
        deleted += connection.execute(delete(table).where(*mine)).rowcount
    return deleted


def _query(kind: BatchTable, number: int) -> Select[tuple[object, ...]]:
    columns = kind.table.c
    more = [columns[name] for name in ("ids", "start") if name in columns]
    return select(columns.id, kind.content.label("content"), *more).where(columns.id == number)


def _stored(kind: BatchTable, row: Row[tuple[object, ...]]) -> StoredRows:
    values = row._mapping
    ids, start = values.get("ids") or b"", values.get("start") or 0.0
    return StoredRows(kind, int(values["id"]), blob(values["content"] or b""), blob(ids), float(start))
