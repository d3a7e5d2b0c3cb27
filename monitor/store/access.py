"""API keys: who may do what. Only a hash of a key is stored; the key itself is shown once, when it is made."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Float, LargeBinary, Row, String, Table, select, update

from monitor.store.db import metadata

KEYS = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("client", String, nullable=False),
    Column("name", String, nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=True),
    Column("revoked_at", Float, nullable=True),
    Column("last_used_at", Float, nullable=True),
)


class Kind(StrEnum):
    """What a key is for."""

    INGEST = "ingest"
    PAGE = "page"
    METRICS = "metrics"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret. `client` is empty for keys that are bound to none."""

    id: str
    kind: Kind
    client: str
    name: str
    hash: bytes
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None

    def is_valid(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def digest(token: str) -> bytes:
    """What is stored of a key: its SHA-256. A key is 256 random bits, so it needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def create(
    connection: Connection,
    kind: Kind,
    client: str,
    now: float,
    *,
    name: str = "",
    expires_at: float | None = None,
) -> tuple[Key, str]:
    """Make a key and return it with its secret, which nobody can read again."""
    token = "wk_" + secrets.token_urlsafe(32)
    key = Key(secrets.token_hex(6), kind, client, name, digest(token), now, expires_at)
    row = {column.name: getattr(key, column.name) for column in KEYS.columns}
    connection.execute(KEYS.insert(), row | {"kind": kind.value})
    return key, token


def keys(connection: Connection) -> list[Key]:
    """Every key there ever was, oldest first."""
    return [_key(row) for row in connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id))]


def find(connection: Connection, id: str) -> Key | None:  # noqa: A002 - the column's name
    """One key by its number."""
    row = connection.execute(select(KEYS).where(KEYS.c.id == id)).first()
    return None if row is None else _key(row)


def revoke(connection: Connection, id: str, now: float) -> bool:  # noqa: A002 - the column's name
    """Make a key worthless; False when there is no such key, or it was revoked before."""
    mine = (KEYS.c.id == id, KEYS.c.revoked_at.is_(None))
    return connection.execute(update(KEYS).where(*mine).values(revoked_at=now)).rowcount > 0


def mark_used(connection: Connection, used: Mapping[str, float]) -> None:
    """Write down when keys were last used."""
    for number, at in used.items():
        connection.execute(update(KEYS).where(KEYS.c.id == number).values(last_used_at=at))


def _key(row: Row[Any]) -> Key:
    return Key(
        row.id,
        Kind(row.kind),
        row.client,
        row.name,
        bytes(row.hash),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
    )
