"""Silences, including maintenance windows."""

import msgspec
from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, select, update

from monitor.records import Silence
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_or_skip

silences = Table(
    "silences",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("matchers", Text, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False, index=True),
    Column("author", String(128), nullable=False),
    Column("comment", Text, nullable=False),
    Column("expired_at", Float),
)


def add(connection: Connection, silence: Silence) -> None:
    """Store a new silence, unless it is stored already."""
    connection.execute(
        insert_or_skip(connection.dialect.name, silences).values(
            id=silence.id,
            matchers=msgspec.json.encode(silence.matchers).decode(),
            starts_at=silence.starts_at,
            ends_at=silence.ends_at,
            author=silence.author,
            comment=silence.comment,
            expired_at=silence.expired_at,
        )
    )


def load(connection: Connection, now: float, *, with_past: bool = False) -> list[Silence]:
    """Active and future silences, by end; `with_past` adds expired ones."""
    query = select(silences)
    if not with_past:
        query = query.where(silences.c.ends_at > now, silences.c.expired_at.is_(None))
    faults, readable = faults_of(connection), []
    for row in connection.execute(query.order_by(silences.c.ends_at, silences.c.id)):
        with faults.isolate("silences", str(row.id)):
            matchers = tuple(msgspec.json.decode(row.matchers, type=list[str]))
            times = moment(row.starts_at), moment(row.ends_at)
            over = None if row.expired_at is None else moment(row.expired_at)
            readable.append(
                Silence(words(row.id), matchers, *times, words(row.author), words(row.comment), over)
            )
    return readable


def expire(connection: Connection, identity: str, now: float) -> bool:
    """End a silence early; False if there is no such active or future silence."""
    ended = update(silences).where(
        silences.c.id == identity, silences.c.expired_at.is_(None), silences.c.ends_at > now
    )
    return connection.execute(ended.values(expired_at=now)).rowcount > 0


def delete_before(connection: Connection, moment: float) -> int:
    """Delete silences that ended before `moment`; the number of rows."""
    return connection.execute(delete(silences).where(silences.c.ends_at < moment)).rowcount
