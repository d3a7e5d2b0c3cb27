"""Records that were refused: a bounded number of them to look at, all of them counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    select,
)

from monitor.records import Rejected
from monitor.store.db import metadata
from monitor.store.register import KEY

REASONS = (
    "future",
    "incomplete",
    "invalid",
    "malformed",
    "not_finite",
    "other_client",
    "repeated_id",
    "too_large",
    "too_many_streams",
    "too_old",
    "uncountable",
    "unknown_client",
)
"""Why a record may be refused: the short names under which refusals are counted."""

QUARANTINE = Table(
    "quarantine",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("client", String, nullable=False, index=True),
    Column("model", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("error", String, nullable=False),
    Column("hint", String, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused record as it is kept. `count` is above one where more like it came than are kept."""

    at: float
    kind: str
    reason: str
    rejected: Rejected
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """How many records of a client's model were refused for one reason, and what was wrong with one of them.

    Client and model are empty where a record did not say them.
    """

    client: str
    model: str
    reason: str
    count: int
    example: str


def put(connection: Connection, refused: Sequence[Quarantined]) -> None:
    """Keep refused records."""
    rows = [
        {
            "at": one.at,
            "kind": one.kind,
            "reason": one.reason,
            "client": one.rejected.client,
            "model": one.rejected.model,
            "position": one.rejected.index,
            "error": one.rejected.error,
            "hint": one.rejected.hint,
            "record": one.rejected.record,
            "count": one.count,
        }
        for one in refused
    ]
    if rows:
        connection.execute(QUARANTINE.insert(), rows)


def latest(connection: Connection, client: str | None = None, limit: int = 100) -> list[Quarantined]:
    """The last refused records, newest first; of one client, or of all."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.id.desc()).limit(limit)
    if client is not None:
        query = query.where(QUARANTINE.c.client == client)
    return [
        Quarantined(
            row.at,
            row.kind,
            row.reason,
            Rejected(row.position, row.error, row.hint, row.client, row.model, bytes(row.record)),
            row._mapping["count"],
        )
        for row in connection.execute(query)
    ]


def summary(connection: Connection, start: float, end: float, client: str | None = None) -> list[Refused]:
    """What was refused in `[start, end)`, by client, model and reason; the most frequent first."""
    kept = QUARANTINE.c
    total = func.sum(kept.count)
    query = select(kept.client, kept.model, kept.reason, total, func.max(kept.error))
    query = query.where(kept.at >= start, kept.at < end).group_by(kept.client, kept.model, kept.reason)
    if client is not None:
        query = query.where(kept.client == client)
    rows = connection.execute(query.order_by(total.desc(), kept.client, kept.model, kept.reason))
    return [Refused(*row[:3], int(row[3]), row[4]) for row in rows]


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Delete at most `limit` that were refused before; call again until it returns 0."""
    old = select(QUARANTINE.c.id).where(QUARANTINE.c.at < before).limit(limit)
    return connection.execute(delete(QUARANTINE).where(QUARANTINE.c.id.in_(old.scalar_subquery()))).rowcount
