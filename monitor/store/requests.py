"""Requests that were taken in, by key, so that one that is sent again stores nothing twice."""

import os
from collections.abc import Sequence
from operator import attrgetter

import msgspec
from sqlalchemy import Column, Connection, Float, LargeBinary, Table, delete, select

from monitor.store.db import metadata
from monitor.store.prepared import PreparedInsert

REQUESTS = Table(
    "requests",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("content", LargeBinary(16), nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("token", LargeBinary(8), nullable=False),
    sqlite_with_rowid=False,
)


_INSERT = PreparedInsert(REQUESTS)


class Request(msgspec.Struct, frozen=True):
    """A request by its key (what the sender named, or its content) and the digest of its content; 16 bytes each."""

    key: bytes
    content: bytes


def put(connection: Connection, requests: Sequence[Request], now: float) -> dict[bytes, bytes]:
    """Remember requests, and return those whose key was used before, with the content it was used for."""
    token = os.urandom(8)
    rows = [
        {"key": request.key, "content": request.content, "received_at": now, "token": token}
        for request in sorted(requests, key=attrgetter("key"))  # in the order in which they lie on disk
    ]
    if _INSERT.run(connection, rows) == len(rows):
        return {}
    query = select(REQUESTS.c.key, REQUESTS.c.content).where(REQUESTS.c.token != token)
    found: dict[bytes, bytes] = {}
    for at in range(0, len(rows), 500):
        some = [request.key for request in requests[at : at + 500]]
        answer = connection.execute(query.where(REQUESTS.c.key.in_(some)))
        found |= {bytes(row.key): bytes(row.content) for row in answer}
    return found


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Forget at most `limit` requests that came before; call again until it returns 0."""
    old = select(REQUESTS.c.key).where(REQUESTS.c.received_at < before).limit(limit)
    return connection.execute(delete(REQUESTS).where(REQUESTS.c.key.in_(old.scalar_subquery()))).rowcount
