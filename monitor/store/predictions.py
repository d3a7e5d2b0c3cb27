"""The batches of the prediction log: one row per batch, its records as one compressed Arrow blob.

The natural key of a batch is stream, window and digest: a batch that is written twice is stored once.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from monitor.config.units import DAY
from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.checksums import HEAD
from monitor.store.db import faults_of, metadata, sqlite_driver, whole
from monitor.store.prepared_statements import Prepared, prepared_insert
from monitor.store.rows import FARTHEST, blob, head, moment, whole_number

BATCHES = Table(
    "prediction_batches",
    metadata,
    Column("id", streams.KEY, primary_key=True),
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
    Column("failed", Integer, nullable=False, server_default="0"),
    UniqueConstraint("stream", "start", "digest"),
    sqlite_autoincrement=True,
)
_OPEN = ~BATCHES.c.counted
Index(
    "ix_prediction_batches_uncounted",
    BATCHES.c.stream,
    BATCHES.c.id,
    sqlite_where=_OPEN,
)
_NEW = ~BATCHES.c.searched
Index(
    "ix_prediction_batches_unsearched",
    BATCHES.c.stream,
    BATCHES.c.id,
    sqlite_where=_NEW,
)


INGESTED = 8
"""Length in bytes of the random digest of a batch from the ingest. Loaded history has a longer hash of its content."""

SETTLED = (BATCHES.c.counted, BATCHES.c.searched, func.length(BATCHES.c.digest) == INGESTED)
_INSERT = prepared_insert(BATCHES)
_AT_ONCE = 64
_MOST_ROWS = 2**31 - 1
_LONGEST_WINDOW = 366 * DAY
_NO_LIMIT = 2**62
_MINE = BATCHES.c.stream == bindparam("number")
_THESE = BATCHES.c.id.in_([bindparam(f"batch{n}") for n in range(_AT_ONCE)])
STORED = select(
    BATCHES.c.id, BATCHES.c.start, BATCHES.c.end, BATCHES.c.rows, BATCHES.c.blob, BATCHES.c.received_at
)
_SOME = Prepared(STORED.where(_THESE).order_by(BATCHES.c.id))
_UNSEARCHED = Prepared(
    select(BATCHES.c.id, BATCHES.c.ids)
    .where(_MINE, _NEW, BATCHES.c.id <= bindparam("last"))
    .order_by(BATCHES.c.id)
)
_UNSEARCHED_AMONG = Prepared(select(BATCHES.c.id, BATCHES.c.ids).where(_THESE, _NEW).order_by(BATCHES.c.id))
# Uses the index of windows: an index by number would have to be written for each batch.
_SEARCHED = Prepared(
    select(BATCHES.c.id, BATCHES.c.start, BATCHES.c.ids)
    .where(_MINE, BATCHES.c.searched, BATCHES.c.start <= bindparam("start"))
    .where(or_(BATCHES.c.start < bindparam("start"), BATCHES.c.id < bindparam("before")))
    .order_by(BATCHES.c.start.desc(), BATCHES.c.id.desc())
    .limit(bindparam("most"))
)
_COUNT = Prepared(update(BATCHES).where(_THESE, _OPEN).values(counted=True))
_SEARCH = Prepared(update(BATCHES).where(_THESE).values(searched=True))
_MARK_OF_SOME = {
    _COUNT: "UPDATE prediction_batches SET counted = true WHERE id = ANY(%(ids)s::bigint[]) AND NOT counted",
    _SEARCH: "UPDATE prediction_batches SET searched = true WHERE id = ANY(%(ids)s::bigint[])",
}
"""The same on PostgreSQL, where values have no limit, and each takes time."""


def is_live(connection: Connection, stream: Stream, start: float, end: float, within: float) -> bool:
    """Whether the predictions of a time came in while they were made, not as a past that was loaded: nearly all of them
    at most `within` seconds after their window.
    """
    return live_since(connection, stream, start, end, within) is not None


def live_since(
    connection: Connection, stream: Stream, start: float, end: float, within: float
) -> float | None:
    """The start of the first batch that came in while its predictions were made, if nearly all of a time did; None if
    they did not.
    """
    number = streams.find(connection, stream)
    timely = (func.length(BATCHES.c.digest) == INGESTED) & (BATCHES.c.received_at <= BATCHES.c.end + within)
    counted = (
        func.sum(BATCHES.c.rows),
        func.sum(case((timely, BATCHES.c.rows), else_=0)),
        func.min(case((timely, BATCHES.c.start))),
    )
    mine = (BATCHES.c.stream == number, BATCHES.c.start >= start, BATCHES.c.start < end)
    rows, live, first = connection.execute(select(*counted).where(*mine)).one()
    return float(first) if rows and first is not None and int(live) >= 0.95 * int(rows) else None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be stored. `latest` is the time of its latest row, in seconds since the epoch; `failed` rows have an
    error.
    """

    stream: Stream
    window: Window
    rows: int
    latest: float
    digest: bytes
    ids: bytes
    blob: bytes
    failed: int = 0


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A stored batch; `monitor.predictions.log.batch.decode` reads the blob."""

    id: int
    stream: Stream
    window: Window
    rows: int
    blob: bytes
    received_at: float


def put(connection: Connection, batches: Sequence[NewBatch], now: float) -> int:
    """Insert new batches and update the figures of their streams; the number of rows inserted."""
    written = 0
    for stream in dict.fromkeys(batch.stream for batch in batches):
        own = [batch for batch in batches if batch.stream == stream]
        rows, latest = sum(batch.rows for batch in own), max(batch.latest for batch in own)
        number = streams.advance(connection, stream, rows, latest, now)
        fresh = [batch for batch in own if _INSERT.insert(connection, [_row(number, batch, now)])]
        if len(fresh) < len(own):
            streams.take_back(connection, number, rows - sum(batch.rows for batch in fresh))
        written += sum(batch.rows for batch in fresh)
    return written


def ids_in(connection: Connection, stream: Stream, window: Window) -> list[bytes]:
    """The id hashes of the batches of a window."""
    query = select(BATCHES.c.ids).where(
        BATCHES.c.stream == streams.find(connection, stream),
        BATCHES.c.start == window.start,
        BATCHES.c.end == window.end,
    )
    return [_ids(row.ids) for row in connection.execute(query)]


def mark_counted(connection: Connection, ids: Sequence[int]) -> int:
    """Mark batches as counted; the number of those that were not.

    Call it in the transaction that writes the profiles. A smaller number than expected means that another process has
    counted some of them.
    """
    return _mark(connection, _COUNT, ids)


def unsearched(connection: Connection, stream: Stream, last: int | None = None) -> list[tuple[int, bytes]]:
    """The batches up to number `last` that have not been matched with waiting outcomes: (number, id hashes), oldest
    first.
    """
    values = {"number": streams.find(connection, stream), "last": _NO_LIMIT if last is None else last}
    rows = _UNSEARCHED.rows(connection, values)
    return [(row.id, _ids(row.ids)) for row in rows]


def read_unsearched_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read what `unsearched` gives of each of these streams without a `last` batch."""
    numbers = (streams.find(connection, stream) for stream in some)
    values = [{"number": number, "last": _NO_LIMIT} for number in numbers if number is not None]
    _UNSEARCHED.read_ahead(connection, values)


def unsearched_rows(connection: Connection, stream: Stream, since: float, until: float) -> int:
    """The rows of the batches that came in from `since` to `until` and have not been matched with waiting outcomes."""
    mine = (BATCHES.c.stream == streams.find(connection, stream), _NEW)
    came = (BATCHES.c.received_at >= since, BATCHES.c.received_at <= until)
    return int(connection.scalar(select(func.sum(BATCHES.c.rows)).where(*mine, *came)) or 0)


def unsearched_among(connection: Connection, batches: Sequence[int]) -> list[tuple[int, bytes]]:
    """The same of these batches, in order of their numbers."""
    values = _some_at_once(sorted(batches))
    return [(row.id, _ids(row.ids)) for each in values for row in _UNSEARCHED_AMONG.rows(connection, each)]


def searched_ids(connection: Connection, stream: Stream) -> Iterator[list[tuple[int, bytes]]]:
    """The batches that have been matched, newest windows first, in growing groups: (number, id hashes)."""
    here = streams.find(connection, stream)
    start, number, most = _NO_LIMIT, _NO_LIMIT, 32
    while True:
        values = {"number": here, "start": start, "before": number, "most": most}
        rows = _SEARCHED.rows(connection, values)
        if not rows:
            return
        yield [(row.id, _ids(row.ids)) for row in rows]
        start, number, most = rows[-1].start, rows[-1].id, min(4 * most, 2048)


def mark_searched(connection: Connection, ids: Sequence[int]) -> None:
    """Mark batches as matched with all waiting outcomes."""
    _mark(connection, _SEARCH, ids)


def some(connection: Connection, stream: Stream, numbers: Sequence[int]) -> Iterator[StoredBatch]:
    """Batches of a stream by number, in order; a few at a time are in memory. Damaged ones are left out."""
    for values in _some_at_once(sorted(numbers)):
        for row in _SOME.run(connection, values).all():
            batch = readable(connection, stream, row)
            if batch is not None:
                yield batch


def batches(connection: Connection, stream: Stream, start: float, end: float) -> Iterator[StoredBatch]:
    """The batches of the windows that begin in `[start, end)`, in order of time; one at a time is in memory. Damaged
    ones are left out.
    """
    for number in numbers(connection, stream, start, end):
        row = connection.execute(_batches(stream).where(BATCHES.c.id == number)).first()
        batch = None if row is None else readable(connection, stream, row)
        if batch is not None:
            yield batch


def numbers(connection: Connection, stream: Stream, start: float, end: float) -> list[int]:
    """The numbers of the batches of the windows that begin in `[start, end)`, in order of time."""
    inside = (BATCHES.c.start >= int(start), BATCHES.c.start < whole(end))
    query = select(BATCHES.c.id).where(BATCHES.c.stream == streams.number(stream), *inside)
    return list(connection.scalars(query.order_by(BATCHES.c.start, BATCHES.c.id)))


def sizes(connection: Connection, stream: Stream, start: float, end: float) -> list[tuple[int, Window, int]]:
    """As `numbers`, with windows and numbers of rows."""
    inside = (BATCHES.c.start >= int(start), BATCHES.c.start < whole(end))
    columns = (BATCHES.c.id, BATCHES.c.start, BATCHES.c.end, BATCHES.c.rows)
    query = select(*columns).where(BATCHES.c.stream == streams.number(stream), *inside)
    readable = []
    for row in connection.execute(query.order_by(BATCHES.c.start, BATCHES.c.id)):
        with faults_of(connection).isolate("prediction_batches", f"{row.id} of {stream}"):
            readable.append((row.id, _window(row), whole_number(row.rows)))
    return readable


def first_start(connection: Connection, stream: Stream) -> int | None:
    """The start of the oldest window with stored batches; None if there is none."""
    mine = BATCHES.c.stream == streams.find(connection, stream)
    is_time = BATCHES.c.start.between(0, int(FARTHEST))
    start: int | None = connection.scalar(select(func.min(BATCHES.c.start)).where(mine, is_time))
    return None if start is None else int(start)


def ids(connection: Connection, number: int) -> bytes:
    """The id hashes of one batch."""
    return blob(connection.execute(select(BATCHES.c.ids).where(BATCHES.c.id == number)).scalar_one())


def settled(connection: Connection, stream: Stream, window: Window) -> list[tuple[int, int, bytes]]:
    """The counted and matched batches of a window from the ingest: number, rows, and the first bytes, which tell how
    large it is in memory; oldest first.
    """
    here = (BATCHES.c.start == window.start, BATCHES.c.end == window.end)
    mine = (BATCHES.c.stream == streams.number(stream), *here, *SETTLED)
    first = func.substr(BATCHES.c.blob, 1, HEAD).label("head")
    query = select(BATCHES.c.id, BATCHES.c.rows, first).where(*mine).order_by(BATCHES.c.id)
    return [(row.id, row.rows, head(row.head)) for row in connection.execute(query)]


def replace(
    connection: Connection, stream: Stream, numbers: Sequence[int], batch: NewBatch, received_at: float
) -> int:
    """Replace several settled batches by one; its number."""
    for at in range(0, len(numbers), 500):
        connection.execute(delete(BATCHES).where(BATCHES.c.id.in_(numbers[at : at + 500])))
    row = _row(streams.key(connection, stream, received_at), batch, received_at) | {
        "counted": True,
        "searched": True,
    }
    return int(connection.execute(BATCHES.insert().values(row).returning(BATCHES.c.id)).scalar_one())


def count_rows(connection: Connection, stream: Stream, before: float | None = None) -> int:
    """The number of stored rows of a stream, in windows that begin before `before`."""
    query = select(func.coalesce(func.sum(BATCHES.c.rows), 0)).where(
        BATCHES.c.stream == streams.number(stream), BATCHES.c.rows.between(0, _MOST_ROWS)
    )
    query = query if before is None else query.where(BATCHES.c.start < whole(before))
    return int(connection.scalar(query) or 0)


def _some_at_once(numbers: Sequence[int]) -> list[dict[str, int]]:
    """Parameters of statements for `_AT_ONCE` batches each; the last number fills up the rest."""
    parts = [numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE)]
    return [{f"batch{n}": some[min(n, len(some) - 1)] for n in range(_AT_ONCE)} for some in parts]


def _mark(connection: Connection, statement: Prepared, ids: Sequence[int]) -> int:
    """Mark batches; the number of rows written."""
    if not ids or sqlite_driver(connection) is not None:
        return statement.run_for_each(connection, _some_at_once(ids))
    return connection.exec_driver_sql(_MARK_OF_SOME[statement], {"ids": list(ids)}).rowcount


def _batches(stream: Stream) -> Any:
    return STORED.where(BATCHES.c.stream == streams.number(stream))


def readable(connection: Connection, stream: Stream, row: Row[Any]) -> StoredBatch | None:
    """The batch of a row; None, which is reported, where the row is damaged."""
    with faults_of(connection).isolate("prediction_batches", f"{row.id} of {stream}"):
        rows, received_at = whole_number(row.rows), moment(row.received_at)
        return StoredBatch(row.id, stream, _window(row), rows, blob(row.blob), received_at)
    return None


def _window(row: Any) -> Window:
    """The window of a row.

    Raises:
        ValueError: the row is damaged.
    """
    start, end = whole_number(row.start), whole_number(row.end)
    if not (start < end <= FARTHEST and end - start <= _LONGEST_WINDOW):
        msg = f"{start} to {end} is not a window"
        raise ValueError(msg)
    return Window(start, end)


def _ids(value: object) -> bytes:
    """The id hashes of a batch; none where they are damaged: no outcome then finds its prediction in this batch."""
    return value[: len(value) // 8 * 8] if isinstance(value, bytes) else b""


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
        "failed": batch.failed,
    }
