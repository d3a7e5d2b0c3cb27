"""The register of streams: each that ever sent anything, its number in all other tables, and its figures."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    func,
    select,
    update,
)

from monitor.records import Stream
from monitor.store.db import READING, metadata
from monitor.store.prepared import Prepared
from monitor.store.upsert import insert_new

KEY = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives."""

STREAMS = Table(
    "streams",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("client", String, nullable=False),
    Column("model", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("first_received", Float, nullable=False),
    Column("last_received", Float, nullable=False),
    Column("watermark", Float, nullable=True),
    Column("rows", BigInteger, nullable=False),
    UniqueConstraint("client", "model", "environment"),
)

_NUMBERS: WeakKeyDictionary[Engine, dict[Stream, int]] = WeakKeyDictionary()
_FIND = Prepared(
    select(STREAMS.c.id).where(
        *(STREAMS.c[name] == bindparam(name) for name in ("client", "model", "environment"))
    )
)
_LATEST: BindParameter[float] = bindparam("latest", type_=Float)
_MOVE = Prepared(
    update(STREAMS)
    .where(*(STREAMS.c[name] == bindparam(name) for name in ("client", "model", "environment")))
    .values(
        last_received=bindparam("now", type_=Float),
        watermark=case(
            (func.coalesce(STREAMS.c.watermark, _LATEST) > _LATEST, STREAMS.c.watermark), else_=_LATEST
        ),
        rows=STREAMS.c.rows + bindparam("more", type_=BigInteger),
    )
    .returning(STREAMS.c.id)
)


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What is known of a stream without reading its batches. `watermark` is the latest event time."""

    stream: Stream
    rows: int
    first_received: float
    last_received: float
    watermark: float | None


def key(connection: Connection, stream: Stream, now: float) -> int:
    """The number of a stream in the store; a new stream gets one."""
    found = find(connection, stream)
    if found is not None:
        return found
    row: dict[str, Any] = {"client": stream.client, "model": stream.model, "environment": stream.environment}
    row |= {"first_received": now, "last_received": now, "watermark": None, "rows": 0}
    insert_new(connection, STREAMS, [row], ("client",))
    found = find(connection, stream)
    assert found is not None
    return found


def find(connection: Connection, stream: Stream) -> int | None:
    """The number of a stream, or None when nothing of it ever came. A number never changes, so it is kept."""
    kept = _NUMBERS.setdefault(connection.engine, {})
    number = kept.get(stream)
    if number is None:
        names = {"client": stream.client, "model": stream.model, "environment": stream.environment}
        number = _FIND.run(connection, names).scalar()
        # What a writing transaction sees may be rolled back.
        if number is not None and connection.get_execution_options().get(READING):
            kept[stream] = number
    return number


def streams(connection: Connection) -> list[Stream]:
    """Every stream of which a prediction or an outcome ever came, in order."""
    return [figures.stream for figures in figures_of_all(connection)]


def figures_of_all(connection: Connection) -> list[StreamFigures]:
    """The figures of every stream, in order of client, model and environment."""
    query = select(STREAMS).order_by(STREAMS.c.client, STREAMS.c.model, STREAMS.c.environment)
    rows = connection.execute(query).all()
    found = [read(row) for row in rows]
    if connection.get_execution_options().get(READING):
        kept = _NUMBERS.setdefault(connection.engine, {})
        kept.update(zip((figures.stream for figures in found), (row.id for row in rows), strict=True))
    return found


def figures(connection: Connection, stream: Stream) -> StreamFigures | None:
    """The figures of one stream, or None when it is unknown."""
    row = connection.execute(select(STREAMS).where(*_is(stream))).first()
    return None if row is None else read(row)


def advance(connection: Connection, stream: Stream, rows: int, latest: float, now: float) -> int:
    """Move a stream's figures along in one statement for rows that came in, and return its number."""
    values: dict[str, Any] = {"latest": latest, "more": rows, "now": now}
    values |= {"client": stream.client, "model": stream.model, "environment": stream.environment}
    row = _MOVE.row(connection, values)
    if row is None:
        key(connection, stream, now)
        return advance(connection, stream, rows, latest, now)
    return int(row[0])


def take_back(connection: Connection, number: int, rows: int) -> None:
    """Rows that were there before do not count again."""
    connection.execute(update(STREAMS).where(STREAMS.c.id == number).values(rows=STREAMS.c.rows - rows))


def read(row: Row[Any]) -> StreamFigures:
    """The figures in a row of the register."""
    stream = Stream(row.client, row.model, row.environment)
    return StreamFigures(stream, row.rows, row.first_received, row.last_received, row.watermark)


def number(stream: Stream) -> Any:
    """A stream's number as a part of a query."""
    return select(STREAMS.c.id).where(*_is(stream)).scalar_subquery()


def _is(stream: Stream) -> tuple[Any, ...]:
    columns = STREAMS.c
    return (
        columns.client == stream.client,
        columns.model == stream.model,
        columns.environment == stream.environment,
    )
