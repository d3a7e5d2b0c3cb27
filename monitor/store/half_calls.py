"""Requests that wait for their response, and responses that wait for their request: written with the source's position.

Natural key: the source, the call and the side. A row is deleted in the transaction that stores the call's records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    select,
    tuple_,
)

from monitor.errors import WatchkeeperError
from monitor.store.db import metadata
from monitor.store.rows import moment
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
_KEYS_AT_ONCE = 500


class HalfCallConflictError(WatchkeeperError):
    """Another daemon has paired one of these halves meanwhile. The transaction must be rolled back and made anew."""


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
    wanted = sorted(set(calls))
    halves: list[StoredHalf] = []
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        some = HALF_CALLS.c.call.in_(wanted[at : at + _KEYS_AT_ONCE])
        halves += _read(connection.execute(select(HALF_CALLS).where(HALF_CALLS.c.source == source, some)))
    return halves


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
    columns = HALF_CALLS.c
    for at in range(0, len(halves), _KEYS_AT_ONCE):
        some = [(half.call, half.side) for half in halves[at : at + _KEYS_AT_ONCE]]
        matching = tuple_(columns.call, columns.side).in_(some)
        deleted = connection.execute(delete(HALF_CALLS).where(columns.source == source, matching))
        if deleted.rowcount != len(some):
            raise _conflict(source)


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> int:
    """Delete at most `limit` halves received before `before`, which no source reads any more."""
    columns = HALF_CALLS.c
    old = select(columns.source, columns.call, columns.side).where(columns.received_at < before).limit(limit)
    keys = [tuple(row) for row in connection.execute(old)]
    if not keys:
        return 0
    matching = tuple_(columns.source, columns.call, columns.side).in_(keys)
    return connection.execute(delete(HALF_CALLS).where(matching)).rowcount


def _read(rows: Iterable[Row[Any]]) -> list[StoredHalf]:
    """Rows as they are: a damaged time counts as old, and a damaged content as empty, so that they wait no longer."""
    halves = []
    for row in rows:
        try:
            received_at = moment(row.received_at)
        except ValueError:
            received_at = 0.0
        content = row.content if isinstance(row.content, bytes) else b""
        if isinstance(row.call, str) and isinstance(row.side, str):
            halves.append(StoredHalf(row.call, row.side, received_at, content))
    return halves


def _conflict(source: str) -> HalfCallConflictError:
    return HalfCallConflictError(f"another daemon has paired calls of {source}", hint="it is tried again")
