"""The quarantine: rejected records. A limited number is stored; all are counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    or_,
    select,
)

from monitor.records import Rejected
from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, whole_number, words
from monitor.store.streams import KEY

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
"""The reasons for rejecting a record, under which rejections are counted."""

_FOREVER = 1e12
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
    """A stored rejected record. `count` is above one if it stands for similar records that are not stored."""

    at: float
    kind: str
    reason: str
    rejected: Rejected
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """The number of records of a model that were rejected for one reason, with the error of one of them.

    Client and model are empty if the records did not name them.
    """

    client: str
    model: str
    reason: str
    count: int
    example: str


def put(connection: Connection, records: Sequence[Quarantined]) -> None:
    """Store rejected records."""
    rows = [
        {
            "at": record.at,
            "kind": record.kind,
            "reason": record.reason,
            "client": record.rejected.client,
            "model": record.rejected.model,
            "position": record.rejected.index,
            "error": record.rejected.error,
            "hint": record.rejected.hint,
            "record": record.rejected.record,
            "count": record.count,
        }
        for record in records
    ]
    if rows:
        connection.execute(QUARANTINE.insert(), rows)


def latest(connection: Connection, client: str | None = None, limit: int = 100) -> list[Quarantined]:
    """The last rejected records, newest first, of one client or of all."""
    return [one for _, one in numbered(connection, client, limit)]


def numbered(
    connection: Connection, client: str | None = None, limit: int = 100, before: int = 0
) -> list[tuple[int, Quarantined]]:
    """As `latest`, with the number of each, which grows with time; only those below `before`, unless that is 0."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.id.desc()).limit(limit)
    if client is not None:
        query = query.where(QUARANTINE.c.client == client)
    readable: list[tuple[int, Quarantined]] = []
    while True:  # a row that cannot be read makes no page shorter
        rows = connection.execute(query.where(QUARANTINE.c.id < before) if before else query).all()
        readable += _readable(connection, rows)
        if len(readable) >= limit or len(rows) < limit:
            return readable[:limit]
        before = int(rows[-1].id)


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which refused records are meant: those of `[start, end)` that have these values; None and "" mean any.

    `text` must be part of the error or the hint, in any case.
    """

    client: str | None = None
    model: str = ""
    reason: str = ""
    text: str = ""
    start: float = 0.0
    end: float = _FOREVER


def find(
    connection: Connection, wanted: QuarantineFilter, offset: int = 0, limit: int = 100
) -> list[Quarantined]:
    """Refused records that fit, newest first, from the one with number `offset` on; those that can be read."""
    query = select(QUARANTINE).where(*_conditions(wanted)).order_by(QUARANTINE.c.id.desc())
    rows = connection.execute(query.offset(offset).limit(limit)).all()
    return [one for _, one in _readable(connection, rows)]


def count(connection: Connection, wanted: QuarantineFilter) -> int:
    """How many kept records fit."""
    query = select(func.count()).select_from(QUARANTINE).where(*_conditions(wanted))
    return int(connection.scalar(query) or 0)


def reasons(connection: Connection, wanted: QuarantineFilter) -> list[tuple[str, int]]:
    """How many records that fit were refused, by reason, the most frequent first: also those that are not kept."""
    total = func.sum(QUARANTINE.c.count)
    query = select(QUARANTINE.c.reason, total).where(*_conditions(wanted)).group_by(QUARANTINE.c.reason)
    rows = connection.execute(query.order_by(total.desc(), QUARANTINE.c.reason))
    return [(str(reason), int(number or 0)) for reason, number in rows]


def _conditions(wanted: QuarantineFilter) -> list[ColumnElement[bool]]:
    kept = QUARANTINE.c
    conditions: list[ColumnElement[bool]] = [kept.at >= wanted.start, kept.at < wanted.end]
    if wanted.client is not None:
        conditions.append(kept.client == wanted.client)
    conditions += [
        column == value
        for column, value in ((kept.model, wanted.model), (kept.reason, wanted.reason))
        if value
    ]
    if wanted.text:
        text = wanted.text.lower()
        conditions.append(
            or_(*(func.lower(column).contains(text, autoescape=True) for column in (kept.error, kept.hint)))
        )
    return conditions


def summary(connection: Connection, start: float, end: float, client: str | None = None) -> list[Refused]:
    """The rejections in `[start, end)`, by client, model and reason, most frequent first."""
    kept = QUARANTINE.c
    total = func.sum(kept.count)
    query = select(kept.client, kept.model, kept.reason, total, func.max(kept.error))
    query = query.where(kept.at >= start, kept.at < end).group_by(kept.client, kept.model, kept.reason)
    if client is not None:
        query = query.where(kept.client == client)
    rows = connection.execute(query.order_by(total.desc(), kept.client, kept.model, kept.reason))
    return [Refused(*row[:3], int(row[3]), row[4]) for row in rows]


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Delete at most `limit` records that were rejected before `before`; call again until it returns 0."""
    old = select(QUARANTINE.c.id).where(QUARANTINE.c.at < before).limit(limit)
    return connection.execute(delete(QUARANTINE).where(QUARANTINE.c.id.in_(old.scalar_subquery()))).rowcount


def _readable(connection: Connection, rows: Sequence[Row[Any]]) -> list[tuple[int, Quarantined]]:
    """The rows that can be read, each with its number."""
    faults, records = faults_of(connection), []
    for row in rows:
        with faults.isolate("quarantine", str(row.id)):
            for one in (row.kind, row.reason, row.error, row.hint, row.client, row.model):
                words(one)
            rejected = Rejected(
                whole_number(row.position),
                row.error,
                row.hint,
                row.client,
                row.model,
                blob(row.record),
            )
            count = whole_number(row._mapping["count"])
            number = whole_number(row.id)
            records.append((number, Quarantined(moment(row.at), row.kind, row.reason, rejected, count)))
    return records
