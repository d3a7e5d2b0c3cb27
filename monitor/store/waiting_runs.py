"""Spans of agents that wait until a run is complete.

Natural key: a digest of the trace, and one of the request that they came in. A row is deleted in the transaction that
stores the run, or else when it is old.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    select,
    tuple_,
)

from monitor.store.db import metadata
from monitor.store.rows import moment
from monitor.store.statements import insert_or_skip
from monitor.texts import NAME

WAITING_RUNS = Table(
    "waiting_runs",
    metadata,
    Column("trace", String(40), primary_key=True),
    Column("part", String(16), primary_key=True),
    Column("client", String(NAME), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("due_at", Float),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("ix_waiting_runs_due", "due_at"),
    Index("ix_waiting_runs_received", "received_at"),
    Index("ix_waiting_runs_client", "client", "size"),
)
_KEYS_AT_ONCE = 400
Position = tuple[float, str]
"""When the first agent of a trace is due, and the trace."""


@dataclass(frozen=True, slots=True)
class WaitingSpans:
    """Spans of one trace in one request. Times are in seconds since the epoch; `due_at` is None without an agent."""

    trace: str
    part: str
    client: str
    received_at: float
    due_at: float | None
    content: bytes


def of_traces(connection: Connection, traces: Iterable[str]) -> list[WaitingSpans]:
    """What waits of these traces."""
    wanted, found = sorted(set(traces)), list[WaitingSpans]()
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        some = WAITING_RUNS.c.trace.in_(wanted[at : at + _KEYS_AT_ONCE])
        found += _read(connection.execute(select(WAITING_RUNS).where(some)))
    return found


def due(
    connection: Connection, now: float, most: int, after: Position | None = None
) -> list[tuple[float, str]]:
    """Up to `most` traces with an agent that has waited long enough, the longest first, from `after` on.

    Each is the position after which the others are read. A trace with several agents may come again.
    """
    columns = WAITING_RUNS.c
    first = func.min(columns.due_at)
    query = select(first.label("first"), columns.trace).where(columns.due_at <= now)
    if after is not None:
        query = query.where(tuple_(columns.due_at, columns.trace) > after)
    query = query.group_by(columns.trace).order_by(first, columns.trace)
    return [(float(row.first), str(row.trace)) for row in connection.execute(query.limit(most))]


def waiting_of(connection: Connection, client: str) -> tuple[int, int]:
    """The number of rows of a client, and their bytes."""
    size = WAITING_RUNS.c.size
    query = select(func.count(), func.coalesce(func.sum(size), 0)).where(WAITING_RUNS.c.client == client)
    count, total = connection.execute(query).one()
    return int(count), int(total)


def put(connection: Connection, rows: Sequence[WaitingSpans]) -> None:
    """Have spans wait. Those that wait already change nothing."""
    values = [
        {
            "trace": one.trace,
            "part": one.part,
            "client": one.client,
            "received_at": one.received_at,
            "due_at": one.due_at,
            "size": len(one.content),
            "content": one.content,
        }
        for one in rows
    ]
    if values:
        connection.execute(insert_or_skip(connection.dialect.name, WAITING_RUNS), values)


def take(connection: Connection, rows: Sequence[WaitingSpans]) -> None:
    """Delete spans that wait no longer."""
    columns = WAITING_RUNS.c
    for at in range(0, len(rows), _KEYS_AT_ONCE):
        some = [(one.trace, one.part) for one in rows[at : at + _KEYS_AT_ONCE]]
        connection.execute(delete(WAITING_RUNS).where(tuple_(columns.trace, columns.part).in_(some)))


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> tuple[int, int]:
    """Delete at most `limit` rows received before `before`; their number, and of how many traces there was an agent."""
    columns = WAITING_RUNS.c
    old = select(columns.trace, columns.part, columns.due_at).where(columns.received_at < before)
    rows = connection.execute(old.limit(limit)).all()
    if not rows:
        return 0, 0
    keys = [(row.trace, row.part) for row in rows]
    deleted = connection.execute(
        delete(WAITING_RUNS).where(tuple_(columns.trace, columns.part).in_(keys))
    ).rowcount
    return deleted, len({row.trace for row in rows if row.due_at is not None})


def _read(rows: Iterable[Row[Any]]) -> list[WaitingSpans]:
    """Rows as they are: a damaged time counts as old, and a damaged content as empty."""
    found = []
    for row in rows:
        times: list[float | None] = []
        for value in (row.received_at, row.due_at):
            try:
                times.append(None if value is None else moment(value))
            except ValueError:
                times.append(0.0)
        content = row.content if isinstance(row.content, bytes) else b""
        if isinstance(row.trace, str) and isinstance(row.part, str) and isinstance(row.client, str):
            received_at, due_at = times
            found.append(WaitingSpans(row.trace, row.part, row.client, received_at or 0.0, due_at, content))
    return found
