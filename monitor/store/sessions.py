"""Sessions of users. Only a hash of a session's secret is stored; a session made with a key ends with the key."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, LargeBinary, String, Table, delete, select

from monitor.store.db import metadata
from monitor.texts import NAME

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("who", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("client", String(NAME), nullable=False),
    Column("key_id", String(32), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A session. `role` is empty for a reader of one `client`; staff see every client."""

    who: str
    role: str
    client: str
    key_id: str
    created_at: float
    expires_at: float


def digest(secret: str) -> bytes:
    """The SHA-256 of a session's secret, which is stored in its place."""
    return hashlib.sha256(secret.encode()).digest()


def open_session(connection: Connection, session: Session) -> str:
    """Store a session; its secret, for the cookie."""
    secret = secrets.token_urlsafe(32)
    connection.execute(
        sessions.insert(),
        {
            "hash": digest(secret),
            "who": session.who,
            "role": session.role,
            "client": session.client,
            "key_id": session.key_id,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
        },
    )
    return secret


def find(connection: Connection, secret: str, now: float) -> Session | None:
    """The session with this secret; None if there is none, or it has expired."""
    query = select(sessions).where(sessions.c.hash == digest(secret), sessions.c.expires_at > now)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Session(row.who, row.role, row.client, row.key_id, row.created_at, row.expires_at)


def close(connection: Connection, secret: str) -> None:
    """Delete the session with this secret."""
    connection.execute(delete(sessions).where(sessions.c.hash == digest(secret)))


def delete_expired(connection: Connection, now: float) -> int:
    """Delete expired sessions; the number of rows."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at <= now)).rowcount
