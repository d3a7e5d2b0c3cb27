"""Requests that wait for their response, and responses that wait for their request: written with the source's position.

Natural key: the source, the call and the side. A row is deleted in the transaction that stores the call's records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, LargeBinary, Row, String, Table, func, select

from monitor.errors import WatchkeeperError
from monitor.store import waiting_rows
from monitor.store.db import metadata
from monitor.store.statements import insert_new

HALF_CALLS = Table(
    "half_calls",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("call", String(64), primary_key=True),
    Column("side", String(8), primary_key=True),
    Column("received_at", Float, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("ix_half_calls_received", "source", "received_at"),
)


class HalfCallConflictError(WatchkeeperError):
    """Another daemon has paired one of these halves meanwhile. The transaction must be rolled back and repeated."""


@dataclass(frozen=True, slots=True)
class StoredHalf:
    """A half as it is stored. `call` is a digest of the call's id, `content` what the pairing wrote.

    `received_at` is in seconds since the epoch.
    """

    call: str
    side: str
    received_at: float
    content: bytes


def of_calls(connection: Connection, source: str, calls: Iterable[str]) -> list[StoredHalf]:
    """The waiting halves of these calls."""
    of_source = HALF_CALLS.c.source == source
    return _read(waiting_rows.with_keys(connection, HALF_CALLS.c.call, calls, of_source))


def oldest(connection: Connection, source: str, most: int) -> list[StoredHalf]:
    """Up to `most` waiting halves, in order of their age."""
    columns = HALF_CALLS.c
    query = select(HALF_CALLS).where(columns.source == source).order_by(columns.received_at, columns.call)
    return _read(connection.execute(query.limit(most)))


def count(connection: Connection, source: str) -> int:
    """The number of waiting halves."""
    query = select(func.count()).select_from(HALF_CALLS).where(HALF_CALLS.c.source == source)
    return int(connection.execute(query).scalar_one())


def put(connection: Connection, source: str, halves: Sequence[StoredHalf]) -> None:
    """Have halves wait.

    Raises:
        HalfCallConflictError: another daemon stored one of them meanwhile.
    """
    rows = [
        {
            "source": source,
            "call": half.call,
            "side": half.side,
            "received_at": half.received_at,
            "content": half.content,
        }
        for half in halves
    ]
    if len(insert_new(connection, HALF_CALLS, rows, ("call",))) != len(rows):
        raise _conflict(source)


def take(connection: Connection, source: str, halves: Sequence[StoredHalf]) -> None:
    """Delete halves that wait no longer.

    Raises:
        HalfCallConflictError: another daemon took one of them meanwhile.
    """
    keys = [(source, half.call, half.side) for half in halves]
    if waiting_rows.delete_keys(connection, HALF_CALLS, keys) != len(keys):
        raise _conflict(source)


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> int:
    """Delete at most `limit` halves received before `before`, which no source reads any more."""
    return waiting_rows.delete_before(connection, HALF_CALLS, before, limit)[0]


def _read(rows: Iterable[Row[Any]]) -> list[StoredHalf]:
    """The rows whose keys are readable."""
    return [
        StoredHalf(row.call, row.side, waiting_rows.received_at(row), waiting_rows.content_of(row))
        for row in rows
        if isinstance(row.call, str) and isinstance(row.side, str)
    ]


def _conflict(source: str) -> HalfCallConflictError:
    return HalfCallConflictError(f"another daemon has paired calls of {source}", hint="it is retried")
