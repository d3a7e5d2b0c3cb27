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
    func,
    select,
    tuple_,
)

from monitor.store.db import metadata
from monitor.store.rows import moment
from monitor.store.statements import insert_or_skip
from monitor.texts import NAME

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
_KEYS_AT_ONCE = 400
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
    wanted, parts = sorted(set(calls)), list[WaitingPart]()
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        some = WAITING_CALLS.c.call.in_(wanted[at : at + _KEYS_AT_ONCE])
        parts += _read(connection.execute(select(WAITING_CALLS).where(some)))
    return parts


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
    size = WAITING_CALLS.c.size
    query = select(func.count(), func.coalesce(func.sum(size), 0)).where(WAITING_CALLS.c.client == client)
    count, total = connection.execute(query).one()
    return int(count), int(total)


def put(connection: Connection, parts: Sequence[WaitingPart]) -> None:
    """Have parts wait. One that waits already changes nothing."""
    rows = [
        {
            "call": one.call,
            "part": one.part,
            "client": one.client,
            "received_at": one.received_at,
            "size": len(one.content),
            "content": one.content,
        }
        for one in parts
    ]
    if rows:
        connection.execute(insert_or_skip(connection.dialect.name, WAITING_CALLS), rows)


def take(connection: Connection, parts: Sequence[WaitingPart]) -> None:
    """Delete parts that wait no longer."""
    columns = WAITING_CALLS.c
    for at in range(0, len(parts), _KEYS_AT_ONCE):
        some = [(one.call, one.part) for one in parts[at : at + _KEYS_AT_ONCE]]
        connection.execute(delete(WAITING_CALLS).where(tuple_(columns.call, columns.part).in_(some)))


def delete_texts(connection: Connection, client: str) -> int:
    """Delete all waiting texts of a client; their number."""
    columns = WAITING_CALLS.c
    return connection.execute(
        delete(WAITING_CALLS).where(columns.client == client, columns.part != SPAN)
    ).rowcount


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> tuple[int, int]:
    """Delete at most `limit` parts received before `before`; their number, and how many of them were spans."""
    columns = WAITING_CALLS.c
    old = select(columns.call, columns.part).where(columns.received_at < before).limit(limit)
    keys = [(row.call, row.part) for row in connection.execute(old)]
    if not keys:
        return 0, 0
    matching = tuple_(columns.call, columns.part).in_(keys)
    return connection.execute(delete(WAITING_CALLS).where(matching)).rowcount, sum(
        part == SPAN for _, part in keys
    )


def _read(rows: Iterable[Row[Any]]) -> list[WaitingPart]:
    """Rows as they are: a damaged time counts as old, and a damaged content as empty."""
    parts = []
    for row in rows:
        try:
            received_at = moment(row.received_at)
        except ValueError:
            received_at = 0.0
        content = row.content if isinstance(row.content, bytes) else b""
        if isinstance(row.call, str) and isinstance(row.part, str) and isinstance(row.client, str):
            parts.append(WaitingPart(row.call, row.part, row.client, received_at, content))
    return parts
