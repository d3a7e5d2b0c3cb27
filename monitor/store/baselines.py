"""Layouts and baselines as bytes. The id of a layout is a hash of it; the newest baseline of a stream is in force."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)

from monitor.records import Stream
from monitor.store import streams
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import blob, words
from monitor.store.shared_content import SharedContent
from monitor.store.streams import KEY

LAYOUTS = Table(
    "layouts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

_LAYOUTS = SharedContent(LAYOUTS)

BASELINES = Table(
    "baselines",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("stream", BigInteger, nullable=False),
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("source", String, nullable=False),
    Column("start", BigInteger, nullable=True),
    Column("end", BigInteger, nullable=True),
    Column("layout", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("loss", LargeBinary, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Index("ix_baselines_stream", "stream", "name"),
)
_DIGEST = Prepared(
    select(BASELINES.c.digest)
    .where(BASELINES.c.stream == bindparam("number"), BASELINES.c.name == bindparam("of"))
    .order_by(BASELINES.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class StoredBaseline:
    """A stored baseline. `id` is its version: a later one has a higher number.

    `loss` is the model of a regressor's errors and `sample` some of its rows; either may be empty.
    """

    stream: Stream
    name: str
    created_at: float
    source: str
    start: int | None
    end: int | None
    layout: str
    digest: str
    blob: bytes
    loss: bytes = b""
    sample: bytes = b""
    id: int = 0


def put_layout(connection: Connection, layout: str, content: bytes) -> None:
    """Insert a layout, unless it is stored already."""
    _LAYOUTS.put(connection, layout, content)


def get_layout(connection: Connection, layout: str) -> bytes | None:
    """A layout by its id."""
    stored = connection.scalar(select(LAYOUTS.c.blob).where(LAYOUTS.c.id == layout))
    return None if stored is None else blob(stored)


def put(connection: Connection, baseline: StoredBaseline, now: float) -> bool:
    """Insert a baseline, which is then in force under its name; False if the same one is in force already."""
    present = current(connection, baseline.stream, baseline.name)
    if present is not None and present.digest == baseline.digest:
        return False
    row = {
        "stream": streams.key(connection, baseline.stream, now),
        "name": baseline.name,
        "created_at": baseline.created_at,
        "source": baseline.source,
        "start": baseline.start,
        "end": baseline.end,
        "layout": baseline.layout,
        "digest": baseline.digest,
        "blob": baseline.blob,
        "loss": baseline.loss,
        "sample": baseline.sample,
    }
    connection.execute(insert(BASELINES), [row])
    return True


def current(connection: Connection, stream: Stream, name: str = "baseline") -> StoredBaseline | None:
    """The baseline in force under this name: the newest."""
    mine = (BASELINES.c.stream == streams.find(connection, stream), BASELINES.c.name == name)
    row = connection.execute(select(BASELINES).where(*mine).order_by(BASELINES.c.id.desc()).limit(1)).first()
    return None if row is None else _stored(stream, row)


def current_digest(connection: Connection, stream: Stream, name: str = "baseline") -> str | None:
    """The digest of the baseline in force, without reading its bytes."""
    mine = {"number": streams.find(connection, stream), "of": name}
    row = _DIGEST.row(connection, mine)
    return None if row is None else row[0]


def read_digests_ahead(connection: Connection, some: Iterable[Stream], name: str = "baseline") -> None:
    """Read what `current_digest` gives of each of these streams."""
    numbers = (streams.find(connection, stream) for stream in some)
    _DIGEST.read_ahead(
        connection, [{"number": number, "of": name} for number in numbers if number is not None]
    )


@dataclass(frozen=True, slots=True)
class InForce:
    """The source of the baseline in force, and the id of its layout."""

    source: str
    layout: str


def in_force(connection: Connection, stream: Stream, name: str = "baseline") -> InForce | None:
    """The source and layout of the baseline in force, without reading its bytes."""
    mine = (BASELINES.c.stream == streams.find(connection, stream), BASELINES.c.name == name)
    query = select(BASELINES.c.source, BASELINES.c.layout).where(*mine)
    row = connection.execute(query.order_by(BASELINES.c.id.desc()).limit(1)).first()
    return None if row is None else InForce(row.source, row.layout)


def all_in_force(connection: Connection, name: str = "baseline") -> dict[Stream, InForce]:
    """The source and layout of the baseline in force of every stream that has one, in one query."""
    c = streams.STREAMS.c
    columns = (c.client, c.model, c.environment, BASELINES.c.source, BASELINES.c.layout)
    query = select(*columns).join(BASELINES, BASELINES.c.stream == c.id).where(BASELINES.c.name == name)
    faults, found = faults_of(connection), dict[Stream, InForce]()
    for *names, source, layout in connection.execute(query.order_by(BASELINES.c.id)):
        with faults.isolate("baselines", "/".join(map(str, names))):
            found[Stream(*map(words, names))] = InForce(words(source), words(layout))
    return found


def remove(connection: Connection, stream: Stream, name: str) -> int:
    """Delete every version of a baseline; the number of rows."""
    mine = (BASELINES.c.stream == streams.find(connection, stream), BASELINES.c.name == name)
    return connection.execute(delete(BASELINES).where(*mine)).rowcount


def delete_replaced(connection: Connection, before: float) -> int:
    """Delete baselines that were replaced before a time; the number of rows."""
    return connection.execute(delete(BASELINES).where(_is_replaced(before))).rowcount


def clear_samples(connection: Connection, before: float) -> int:
    """Delete the rows that baselines have sampled, of those that were replaced before a time; the number of rows."""
    with_rows = (_is_replaced(before), BASELINES.c.sample != b"")
    return connection.execute(update(BASELINES).where(*with_rows).values(sample=b"")).rowcount


def _is_replaced(before: float) -> ColumnElement[bool]:
    newer = BASELINES.alias("newer")
    same = (
        newer.c.stream == BASELINES.c.stream,
        newer.c.name == BASELINES.c.name,
        newer.c.id > BASELINES.c.id,
    )
    return exists().where(*same, newer.c.created_at < before)


def _stored(stream: Stream, row: Row[Any]) -> StoredBaseline:
    return StoredBaseline(
        stream,
        row.name,
        row.created_at,
        row.source,
        row.start,
        row.end,
        row.layout,
        row.digest,
        blob(row.blob),
        blob(row.loss),
        blob(row.sample),
        row.id,
    )
