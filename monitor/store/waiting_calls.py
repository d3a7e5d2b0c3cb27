"""Calls of language models that wait for their texts, and texts that wait for their call.

Natural key: a digest of the call, and the part: the span, or a digest of one event. A row is deleted in the transaction
that stores the call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    select,
    tuple_,
)

from monitor.store import waiting_rows
from monitor.store.db import metadata
from monitor.store.statements import insert_or_skip
from monitor.text_limits import NAME

WAITING_CALLS = Table(
    "waiting_calls",
    metadata,
    Column("call", String(40), primary_key=True),
    Column("part", String(16), primary_key=True),
    Column("client", String(NAME), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("ix_waiting_calls_received", "received_at"),
    Index("ix_waiting_calls_client", "client", "size"),
)
SPAN = "span"
"""The part that is a span. The others are texts, which are encrypted."""
Position = tuple[float, str]
"""When a span was received, and its call."""


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """A part of a call. `received_at` is in seconds since the epoch."""

    call: str
    part: str
    client: str
    received_at: float
    content: bytes


def of_calls(connection: Connection, calls: Iterable[str]) -> list[WaitingPart]:
    """The waiting parts of these calls."""
    return _read(waiting_rows.with_keys(connection, WAITING_CALLS.c.call, calls))


def spans_before(
    connection: Connection, before: float, most: int, after: Position | None = None
) -> tuple[list[WaitingPart], Position | None]:
    """Up to `most` of the oldest spans that were received before `before`, from `after` on; the position after which
    the others are read, or None if these are the last.
    """
    columns = WAITING_CALLS.c
    query = select(WAITING_CALLS).where(columns.received_at < before, columns.part == SPAN)
    if after is not None:
        query = query.where(tuple_(columns.received_at, columns.call) > after)
    rows = connection.execute(query.order_by(columns.received_at, columns.call).limit(most)).all()
    return _read(rows), (rows[-1].received_at, rows[-1].call) if len(rows) == most else None


def is_empty(connection: Connection) -> bool:
    """Whether nothing waits."""
    return connection.execute(select(WAITING_CALLS.c.call).limit(1)).first() is None


def waiting_of(connection: Connection, client: str) -> tuple[int, int]:
    """The number of parts of a client, and their bytes."""
    return waiting_rows.size_of(connection, WAITING_CALLS, client)


def put(connection: Connection, parts: Sequence[WaitingPart]) -> None:
    """Have parts wait. One that waits already changes nothing."""
    rows = [
        {
            "call": part.call,
            "part": part.part,
            "client": part.client,
            "received_at": part.received_at,
            "size": len(part.content),
            "content": part.content,
        }
        for part in parts
    ]
    if rows:
        connection.execute(insert_or_skip(connection.dialect.name, WAITING_CALLS), rows)


def take(connection: Connection, parts: Sequence[WaitingPart]) -> None:
    """Delete parts that wait no longer."""
    waiting_rows.delete_keys(connection, WAITING_CALLS, [(part.call, part.part) for part in parts])


def delete_texts(connection: Connection, client: str) -> int:
    """Delete all waiting texts of a client; their number."""
    columns = WAITING_CALLS.c
    return connection.execute(
        delete(WAITING_CALLS).where(columns.client == client, columns.part != SPAN)
    ).rowcount


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> tuple[int, int]:
    """Delete at most `limit` parts received before `before`; their number, and how many of them were spans."""
    deleted, rows = waiting_rows.delete_before(connection, WAITING_CALLS, before, limit)
    return deleted, sum(row.part == SPAN for row in rows)


def _read(rows: Iterable[Row[Any]]) -> list[WaitingPart]:
    """The rows whose keys are readable."""
    return [
        WaitingPart(
            row.call, row.part, row.client, waiting_rows.received_at(row), waiting_rows.content_of(row)
        )
        for row in rows
        if isinstance(row.call, str) and isinstance(row.part, str) and isinstance(row.client, str)
    ]
