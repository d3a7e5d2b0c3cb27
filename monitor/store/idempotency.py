"""Accepted requests by key, so that a resent request stores nothing twice."""

import os
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec
from sqlalchemy import Column, Connection, Float, LargeBinary, Table, bindparam, delete, select

from monitor.store.db import metadata
from monitor.store.prepared_statements import Prepared, prepared_insert
from monitor.store.rows import blob

REQUESTS = Table(
    "requests",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("content", LargeBinary(16), nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("token", LargeBinary(8), nullable=False),
    sqlite_with_rowid=False,
)


_INSERT = prepared_insert(REQUESTS)
_MOST_KEYS = 512
"""Keys of one look-up."""


class RequestKey(msgspec.Struct, frozen=True):
    """A request by its key (what the sender named, or its content) and the digest of its content; 16 bytes each."""

    key: bytes
    content: bytes


def put(connection: Connection, requests: Sequence[RequestKey], now: float) -> dict[bytes, bytes]:
    """Store requests; return the keys that were used before, each with the content that it was used for."""
    token = os.urandom(8)
    rows = [
        {"key": request.key, "content": request.content, "received_at": now, "token": token}
        for request in sorted(requests, key=attrgetter("key"))  # in the order of the primary key
    ]
    if _INSERT.insert(connection, rows) == len(rows):
        return {}
    query = select(REQUESTS.c.key, REQUESTS.c.content).where(REQUESTS.c.token != token)
    known: dict[bytes, bytes] = {}
    for at in range(0, len(rows), 500):
        some = [request.key for request in requests[at : at + 500]]
        answer = connection.execute(query.where(REQUESTS.c.key.in_(some)))
        known |= {blob(row.key): blob(row.content) for row in answer}
    return known


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Delete at most `limit` requests received before `before`; call again until it returns 0."""
    old = select(REQUESTS.c.key).where(REQUESTS.c.received_at < before).limit(limit)
    return connection.execute(delete(REQUESTS).where(REQUESTS.c.key.in_(old.scalar_subquery()))).rowcount


def contents_of(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The keys that were used before, each with the content that it was used for."""
    receipts: dict[bytes, bytes] = {}
    at = 0
    while at < len(keys):
        count = min(_MOST_KEYS, 1 << ((len(keys) - at).bit_length() - 1))  # few different statements
        some = {f"key_{place}": key for place, key in enumerate(keys[at : at + count])}
        receipts |= {blob(row.key): blob(row.content) for row in _lookup(count).rows(connection, some)}
        at += count
    return receipts


@lru_cache(16)
def _lookup(count: int) -> Prepared:
    """A look-up of so many keys: SQLAlchemy takes longer to write it than SQLite to answer."""
    names = [f"key_{place}" for place in range(count)]
    wanted = REQUESTS.c.key.in_([bindparam(name, type_=LargeBinary) for name in names])
    return Prepared(select(REQUESTS.c.key, REQUESTS.c.content).where(wanted), names)
