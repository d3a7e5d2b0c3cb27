"""Requests that were taken in, by key, so that one that is sent again stores nothing twice."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, LargeBinary, Table, delete, select

from monitor.store.db import metadata
from monitor.store.upsert import insert_new

REQUESTS = Table(
    "requests",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("content", LargeBinary(16), nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request by its key (what the sender named, or its content) and the digest of its content; 16 bytes each."""

    key: bytes
    content: bytes


def put(connection: Connection, requests: Sequence[Request], now: float) -> set[bytes]:
    """Remember requests, and return the keys that were new."""
    rows = [{"key": request.key, "content": request.content, "received_at": now} for request in requests]
    return {bytes(row[0]) for row in insert_new(connection, REQUESTS, rows, ("key",))}


def contents(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The digest of the content with which each key was used first."""
    query = select(REQUESTS.c.key, REQUESTS.c.content).where(REQUESTS.c.key.in_(keys))
    return {bytes(row.key): bytes(row.content) for row in connection.execute(query)}


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Forget at most `limit` requests that came before; call again until it returns 0."""
    old = select(REQUESTS.c.key).where(REQUESTS.c.received_at < before).limit(limit)
    return connection.execute(delete(REQUESTS).where(REQUESTS.c.key.in_(old.scalar_subquery()))).rowcount
