"""Texts of calls of language models: batches of rows apart from the prediction log. Key: stream and content."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    delete,
    select,
)

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, whole_number
from monitor.store.statements import insert_or_skip, is_of_stream
from monitor.store.streams import KEY
from monitor.text_limits import ENVIRONMENT, NAME

TEXTS = Table(
    "texts",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("client", String(NAME), nullable=False),
    Column("model", String(NAME), nullable=False),
    Column("environment", String(ENVIRONMENT), nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("client", "model", "environment", "digest", name="uq_texts"),
    Index("ix_texts_last_at", "last_at"),
    Index("ix_texts_stream", "client", "model", "environment", "last_at"),
)


@dataclass(frozen=True, slots=True)
class StoredTexts:
    """The texts of some calls of one stream, from the time of the first to that of the last, in seconds since the
    epoch. `digest` identifies them.
    """

    stream: Stream
    digest: bytes
    first_at: float
    last_at: float
    rows: int
    content: bytes


def put(connection: Connection, batches: Sequence[StoredTexts]) -> None:
    """Store texts. The same content of a stream is stored once."""
    rows = [
        {
            "client": batch.stream.client,
            "model": batch.stream.model,
            "environment": batch.stream.environment,
            "digest": batch.digest,
            "first_at": batch.first_at,
            "last_at": batch.last_at,
            "rows": batch.rows,
            "content": batch.content,
        }
        for batch in batches
    ]
    if rows:
        connection.execute(insert_or_skip(connection.dialect.name, TEXTS), rows)


def newest(
    connection: Connection, stream: Stream, start: float, end: float, limit: int = 50
) -> list[StoredTexts]:
    """The newest texts of a stream that overlap `[start, end)`, newest first. A damaged row is reported and left
    out.
    """
    columns = TEXTS.c
    query = (
        select(TEXTS)
        .where(*is_of_stream(columns, stream), columns.last_at >= start, columns.first_at < end)
        .order_by(columns.last_at.desc(), columns.id.desc())
        .limit(limit)
    )
    read = []
    for row in connection.execute(query):
        with faults_of(connection).isolate("texts", f"{row.id} of {stream}", in_transaction=True):
            times = moment(row.first_at), moment(row.last_at)
            read.append(
                StoredTexts(stream, blob(row.digest), *times, whole_number(row.rows), blob(row.content))
            )
    return read


def delete_before(connection: Connection, before: float, limit: int = 200) -> int:
    """Delete texts of calls before `before`, at most `limit` batches; their number."""
    old = select(TEXTS.c.id).where(TEXTS.c.last_at < before).order_by(TEXTS.c.last_at).limit(limit)
    return connection.execute(delete(TEXTS).where(TEXTS.c.id.in_(old))).rowcount
