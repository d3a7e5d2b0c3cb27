"""Sessions of users. Only a hash of a session's secret is stored; a session made with a key ends with the key.

A session ends at its time, when nothing was requested in it for a while, or when somebody ends it. One that seems to be
from the future is none: the clock was wrong when it was opened, and so is its end.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)

from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, words
from monitor.text_limits import NAME

_ISSUER = 512

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
    Column("seen_at", Float, nullable=False, server_default="0"),
    Column("address", String(64), nullable=False, server_default=""),
    Column("issuer", String(_ISSUER), nullable=False, server_default=""),
    Column("subject", String(256), nullable=False, server_default=""),
    Column("groups", Text, nullable=False, server_default="[]"),
    Column("authenticated_at", Float, nullable=False, server_default="0"),
    Column("sid", String(256), nullable=False, server_default=""),
)
TOUCH_AFTER = 60.0
"""Seconds for which a request is not noted again."""
CLOCK_SKEW = 300.0
"""Seconds that the clocks of two daemons may differ."""
MOST_OPEN = 1000
"""Open sessions of one key or person; a further one ends the oldest."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session. `role` is empty for a reader of one `client`; staff see every client, or `client` only.

    `seen_at` is the time of its last request, within `TOUCH_AFTER`, `address` where it was opened. `issuer` and
    `subject` identify who signed in through an identity provider, `groups` are those that gave them a role; `who` is
    only a name. `authenticated_at` is when they last proved who they are, which at a provider may be long before the
    session was opened; 0 if that is not known. `sid` is the session at the provider, if it names them.
    """

    who: str
    role: str
    client: str
    key_id: str
    created_at: float
    expires_at: float
    seen_at: float = 0.0
    address: str = ""
    id: str = ""
    issuer: str = ""
    subject: str = ""
    groups: tuple[str, ...] = ()
    authenticated_at: float = 0.0
    sid: str = ""

    @property
    def principal(self) -> tuple[str, str]:
        """Who signed in: the provider and its `sub`, or the key. Names may be equal, and may change."""
        return (self.issuer, self.subject) if self.subject else ("", self.key_id)

    def is_open(self, now: float, idle: float) -> bool:
        """Whether its time is not over, and it was used within `idle` seconds."""
        return self.created_at - CLOCK_SKEW <= now < self.expires_at and abs(now - self.seen_at) < idle


def digest(secret: str) -> bytes:
    """The SHA-256 of a session's secret, which is stored in its place."""
    return hashlib.sha256(secret.encode()).digest()


def open_session(connection: Connection, session: Session) -> str:
    """Store a session; its secret, for the cookie. Ends the oldest of the same key or person beyond `MOST_OPEN`."""
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
            "seen_at": session.created_at,
            "address": session.address[:64],
            "issuer": session.issuer[:_ISSUER],
            "subject": session.subject,
            "groups": json.dumps(session.groups),
            "authenticated_at": session.authenticated_at,
            "sid": session.sid,
        },
    )
    _end_oldest(connection, session)
    return secret


def end_all_of(connection: Connection, session: Session) -> int:
    """End every session of the same key or person; the number of rows."""
    return connection.execute(delete(sessions).where(_is_of_same(session))).rowcount


def end_at_provider(connection: Connection, issuer: str, subject: str, sid: str) -> list[str]:
    """End the sessions of somebody who signed out at the provider; the subject of each. `subject` or `sid` may be
    empty, not both. Of somebody with both, those whose `sid` is not known end, too.
    """
    assert subject or sid
    mine = [sessions.c.issuer == issuer[:_ISSUER]]
    if subject:
        mine.append(sessions.c.subject == subject)
    if sid:
        mine.append(sessions.c.sid.in_(["", sid] if subject else [sid]))
    return [
        str(row.subject)
        for row in connection.execute(delete(sessions).where(*mine).returning(sessions.c.subject))
    ]


def _is_of_same(session: Session) -> ColumnElement[bool]:
    if session.subject:
        return (sessions.c.issuer == session.issuer[:_ISSUER]) & (sessions.c.subject == session.subject)
    return (sessions.c.key_id == session.key_id) & (sessions.c.subject == "")


def _end_oldest(connection: Connection, opened: Session) -> None:
    newest_first = sessions.c.created_at.desc(), sessions.c.hash
    oldest = select(sessions.c.hash).where(_is_of_same(opened)).order_by(*newest_first).offset(MOST_OPEN)
    for row in connection.execute(oldest).all():
        connection.execute(delete(sessions).where(sessions.c.hash == row.hash))


def find(connection: Connection, secret: str, now: float, idle: float = float("inf")) -> Session | None:
    """The session with this secret; None if there is none, it has expired, or was not used for `idle` seconds."""
    query = select(sessions).where(sessions.c.hash == digest(secret), sessions.c.expires_at > now)
    row = connection.execute(query).first()
    if row is None:
        return None
    session = _session(row)
    return session if session.is_open(now, idle) else None


def open_sessions(connection: Connection, now: float, idle: float) -> list[Session]:
    """All sessions that are open, the newest first."""
    query = select(sessions).where(sessions.c.expires_at > now).order_by(sessions.c.created_at.desc())
    faults, readable = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("sessions", str(row.who)):
            readable.append(_session(row))
    return [session for session in readable if session.is_open(now, idle)]


def touch(connection: Connection, secret: str, now: float) -> None:
    """Note that a session was used."""
    connection.execute(update(sessions).where(sessions.c.hash == digest(secret)).values(seen_at=now))


def end(connection: Connection, identity: str) -> bool:
    """End the session with this id; False if there is none."""
    ended = False
    for row in connection.execute(select(sessions.c.hash)).all():
        if _id(row.hash) == identity:
            ended |= connection.execute(delete(sessions).where(sessions.c.hash == row.hash)).rowcount > 0
    return ended


def _session(row: Row[Any]) -> Session:
    seen = moment(row.seen_at) or moment(row.created_at)
    return Session(
        words(row.who),
        words(row.role),
        words(row.client),
        words(row.key_id),
        moment(row.created_at),
        moment(row.expires_at),
        seen,
        words(row.address),
        _id(row.hash),
        words(row.issuer),
        words(row.subject),
        _groups(row.groups),
        moment(row.authenticated_at),
        words(row.sid),
    )


def _groups(stored: object) -> tuple[str, ...]:
    """The groups of a row; none where they are damaged, so that they give no role."""
    try:
        names = json.loads(words(stored))
    except (ValueError, RecursionError):
        return ()
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _id(hashed: object) -> str:
    """What names a session in lists: a part of the hash of its secret, of which neither can be derived."""
    return blob(hashed)[:8].hex()


def close(connection: Connection, secret: str) -> None:
    """Delete the session with this secret."""
    connection.execute(delete(sessions).where(sessions.c.hash == digest(secret)))


def delete_expired(connection: Connection, now: float) -> int:
    """Delete expired sessions; the number of rows."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at <= now)).rowcount
