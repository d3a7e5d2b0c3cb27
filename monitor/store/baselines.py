"""Layouts and baselines as bytes. A layout is named by its content; the newest baseline of a stream is in force."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from monitor.records import Stream
from monitor.store import register
from monitor.store.db import metadata
from monitor.store.prepared import Prepared
from monitor.store.register import KEY
from monitor.store.upsert import insert_new

LAYOUTS = Table(
    "layouts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

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
    """A baseline as it lies in the store. `id` is its version: a later one has a higher number.

    `loss` is the model of a regressor's errors and `sample` some of the rows, both empty where there are none.
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


def put_layout(connection: Connection, layout: str, blob: bytes) -> None:
    """Write a layout, unless it is there."""
    insert_new(connection, LAYOUTS, [{"id": layout, "blob": blob}], ("id",))


def get_layout(connection: Connection, layout: str) -> bytes | None:
    """A layout by its id."""
    found = connection.scalar(select(LAYOUTS.c.blob).where(LAYOUTS.c.id == layout))
    return None if found is None else bytes(found)


def put(connection: Connection, baseline: StoredBaseline, now: float) -> bool:
    """Write a baseline; from now on it is the one of its name in force. False if the very same is so already."""
    present = current(connection, baseline.stream, baseline.name)
    if present is not None and present.digest == baseline.digest:
        return False
    row = {
        "stream": register.key(connection, baseline.stream, now),
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
    """The baseline of this name in force: the newest."""
    mine = (BASELINES.c.stream == register.find(connection, stream), BASELINES.c.name == name)
    row = connection.execute(select(BASELINES).where(*mine).order_by(BASELINES.c.id.desc()).limit(1)).first()
    return None if row is None else _stored(stream, row)


def current_digest(connection: Connection, stream: Stream, name: str = "baseline") -> str | None:
    """The digest of the baseline of this name in force, without reading it."""
    mine = {"number": register.find(connection, stream), "of": name}
    return _DIGEST.run(connection, mine).scalar()


def remove(connection: Connection, stream: Stream, name: str) -> int:
    """Delete every version of a baseline."""
    mine = (BASELINES.c.stream == register.find(connection, stream), BASELINES.c.name == name)
    return connection.execute(delete(BASELINES).where(*mine)).rowcount


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
        bytes(row.blob),
        bytes(row.loss),
        bytes(row.sample),
        row.id,
    )
