"""The streams: every stream that has sent a record, its number in the other tables, and its figures."""

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
from monitor.store.db import READING, faults_of, metadata
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import moment, whole_number, words
from monitor.store.statements import insert_new, is_of_stream
from monitor.text_limits import NAME

KEY = BigInteger().with_variant(Integer, "sqlite")
"""The type of ids that the database assigns."""

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
    Column("site", String(NAME), nullable=False, server_default=""),
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
    """Figures of a stream that need no batches. `watermark` is the latest event time. Times are in epoch seconds.

    `site` is the site whose bundles bring its windows; empty if its records arrive here.
    """

    stream: Stream
    rows: int
    first_received: float
    last_received: float
    watermark: float | None
    site: str = ""

    @property
    def data_until(self) -> float:
        """When the last record was received; of a stream that a site delivers, until when it has delivered."""
        if self.site and self.watermark is not None:
            return min(self.watermark, self.last_received)
        return self.last_received


def key(connection: Connection, stream: Stream, now: float) -> int:
    """The number of a stream; a new stream is inserted."""
    number = find(connection, stream)
    if number is not None:
        return number
    row = _names(stream) | {"first_received": now, "last_received": now, "watermark": None, "rows": 0}
    insert_new(connection, STREAMS, [row], ("client",))
    number = find(connection, stream)
    assert number is not None
    return number


def find(connection: Connection, stream: Stream) -> int | None:
    """The number of a stream, or None if it is unknown. Numbers never change. They are cached until all are read."""
    kept = _NUMBERS.setdefault(connection.engine, {})
    number = kept.get(stream)
    if number is None:
        number = _FIND.run(connection, _names(stream)).scalar()
        # A number that a writing transaction sees may be rolled back.
        if number is not None and connection.get_execution_options().get(READING):
            kept[stream] = number
    return number


def streams(connection: Connection) -> list[Stream]:
    """Every stream that has sent a prediction or an outcome, in order."""
    return [figures.stream for figures in figures_of_all(connection)]


def figures_of_all(connection: Connection, client: str = "") -> list[StreamFigures]:
    """The figures of every stream, or of those of a client, in order of client, model and environment."""
    query = select(STREAMS).order_by(STREAMS.c.client, STREAMS.c.model, STREAMS.c.environment)
    if client:
        query = query.where(STREAMS.c.client == client)
    faults, figures_of, numbers = faults_of(connection), [], {}
    for row in connection.execute(query):
        with faults.isolate("streams", f"number {row.id}"):
            figures_of.append(read(row))
            numbers[figures_of[-1].stream] = row.id
    if not client and connection.get_execution_options().get(READING):
        _NUMBERS[connection.engine] = numbers  # those of deleted streams are forgotten
    return figures_of


def last(connection: Connection) -> tuple[object, ...]:
    """What changes when a stream comes or goes: how many there are, the largest number, when the newest appeared."""
    query = select(func.count(), func.max(STREAMS.c.id), func.max(STREAMS.c.first_received))
    return tuple(connection.execute(query.select_from(STREAMS)).one())


def amount(connection: Connection) -> int:
    """The number of streams."""
    return int(connection.scalar(select(func.count()).select_from(STREAMS)) or 0)


def figures(connection: Connection, stream: Stream) -> StreamFigures | None:
    """The figures of one stream, or None if it is unknown. If its row is damaged, all figures are 0."""
    row = connection.execute(select(STREAMS).where(*is_of_stream(STREAMS.c, stream))).first()
    if row is None:
        return None
    with faults_of(connection).isolate("streams", f"number {row.id}"):
        return read(row)
    return StreamFigures(stream, 0, 0.0, 0.0, None)


def advance(connection: Connection, stream: Stream, rows: int, latest: float, now: float) -> int:
    """Update the figures of a stream for `rows` new rows, in one statement; its number."""
    row = _MOVE.row(connection, _names(stream) | {"latest": latest, "more": rows, "now": now})
    if row is None:
        key(connection, stream, now)
        return advance(connection, stream, rows, latest, now)
    return int(row[0])


def deliver(
    connection: Connection, stream: Stream, site: str, rows: int, watermark: float | None, now: float
) -> None:
    """Update the figures of a stream for a bundle of a site: `rows` more predictions, with events until `watermark`.

    A stream whose records arrive here as well stays one of this daemon's.
    """
    number, c = key(connection, stream, now), STREAMS.c
    is_own = connection.execute(select(1).where(c.id == number, c.site == "", c.rows > 0)).first() is not None
    values: dict[str, Any] = {"last_received": now, "rows": c.rows + rows} | (
        {} if is_own else {"site": site}
    )
    if watermark is not None:
        values["watermark"] = case(
            (func.coalesce(c.watermark, watermark) > watermark, c.watermark), else_=watermark
        )
    connection.execute(update(STREAMS).where(c.id == number).values(**values))


def take_back(connection: Connection, number: int, rows: int) -> None:
    """Subtract rows that were stored before."""
    connection.execute(update(STREAMS).where(STREAMS.c.id == number).values(rows=STREAMS.c.rows - rows))


def read(row: Row[Any]) -> StreamFigures:
    """The figures in a row.

    Raises:
        ValueError, TypeError: the row is damaged.
    """
    stream = Stream(words(row.client), words(row.model), words(row.environment))
    watermark = None if row.watermark is None else moment(row.watermark)
    times = moment(row.first_received), moment(row.last_received), watermark
    return StreamFigures(stream, whole_number(row.rows), *times, words(row.site))


def _names(stream: Stream) -> dict[str, Any]:
    return {"client": stream.client, "model": stream.model, "environment": stream.environment}


def number(stream: Stream) -> Any:
    """A subquery for the number of a stream."""
    return select(STREAMS.c.id).where(*is_of_stream(STREAMS.c, stream)).scalar_subquery()
