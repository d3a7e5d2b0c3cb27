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
    Select,
    String,
    Table,
    func,
    select,
    tuple_,
)

from monitor.store import waiting_rows
from monitor.store.db import metadata
from monitor.store.rows import moment
from monitor.store.statements import insert_or_skip
from monitor.text_limits import NAME

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
Position = tuple[float, str]
"""When the first agent of a trace is due, and the trace."""


@dataclass(frozen=True, slots=True)
class WaitingSpans:
    """Spans of one trace in one request. Times are in seconds since the epoch; `due_at` is None without an agent.

    A mark has no spans, takes no room, and tells what other spans lack; its size in the table is 0.
    """

    trace: str
    part: str
    client: str
    received_at: float
    due_at: float | None
    content: bytes
    is_mark: bool = False


def of_traces(connection: Connection, traces: Iterable[str]) -> list[WaitingSpans]:
    """The waiting spans of these traces."""
    return _read(waiting_rows.with_keys(connection, WAITING_RUNS.c.trace, traces))


def traces(connection: Connection, most: int) -> set[str]:
    """Up to `most` traces of which spans wait."""
    rows = connection.execute(select(WAITING_RUNS.c.trace).distinct().limit(most))
    return {row.trace for row in rows if isinstance(row.trace, str)}


def sizes(connection: Connection, of: Sequence[str]) -> dict[str, int]:
    """How many bytes wait of each of these traces."""
    columns = WAITING_RUNS.c
    query = select(columns.trace, func.sum(columns.size).label("size")).where(columns.trace.in_(of))
    return {row.trace: int(row.size) for row in connection.execute(query.group_by(columns.trace))}


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
    """The number of rows of a client, and their bytes, without marks."""
    return waiting_rows.size_of(connection, WAITING_RUNS, client)


def marks_of(connection: Connection, client: str) -> int:
    """The number of marks of a client."""
    columns = WAITING_RUNS.c
    query = select(func.count()).where(columns.client == client, columns.size == 0)
    return int(connection.execute(query).scalar_one())


def put(connection: Connection, rows: Sequence[WaitingSpans]) -> None:
    """Have spans wait. Those that wait already change nothing."""
    values = [
        {
            "trace": row.trace,
            "part": row.part,
            "client": row.client,
            "received_at": row.received_at,
            "due_at": row.due_at,
            "size": 0 if row.is_mark else len(row.content),
            "content": row.content,
        }
        for row in rows
    ]
    if values:
        connection.execute(insert_or_skip(connection.dialect.name, WAITING_RUNS), values)


def take(connection: Connection, rows: Sequence[WaitingSpans]) -> None:
    """Delete spans that wait no longer."""
    waiting_rows.delete_keys(connection, WAITING_RUNS, [(row.trace, row.part) for row in rows])


def make_room(
    connection: Connection, client: str, before: float, limit: int = 1_000
) -> tuple[int, int, float]:
    """Delete the oldest spans of a client that came without an agent before `before`: their number, their bytes, and
    when the youngest was received.
    """
    columns = WAITING_RUNS.c
    query: Select[Any] = select(columns.trace, columns.part, columns.size, columns.received_at).where(
        columns.client == client, columns.due_at.is_(None), columns.received_at < before, columns.size > 0
    )
    rows = connection.execute(query.order_by(columns.received_at).limit(limit)).all()
    waiting_rows.delete_keys(connection, WAITING_RUNS, [(row.trace, row.part) for row in rows])
    youngest = max((waiting_rows.received_at(row) for row in rows), default=0.0)
    return len(rows), sum(row.size for row in rows), youngest


def delete_before(connection: Connection, before: float, limit: int = 1_000) -> tuple[int, int]:
    """Delete at most `limit` rows received before `before`; their number, and of how many traces there was an agent."""
    deleted, rows = waiting_rows.delete_before(connection, WAITING_RUNS, before, limit)
    return deleted, len({row.trace for row in rows if row.due_at is not None})


def _read(rows: Iterable[Row[Any]]) -> list[WaitingSpans]:
    """The rows whose keys are readable."""
    return [
        WaitingSpans(
            row.trace,
            row.part,
            row.client,
            waiting_rows.received_at(row),
            _due_at(row),
            waiting_rows.content_of(row),
            is_mark=row.size == 0,
        )
        for row in rows
        if isinstance(row.trace, str) and isinstance(row.part, str) and isinstance(row.client, str)
    ]


def _due_at(row: Row[Any]) -> float | None:
    """A damaged time is due at once."""
    try:
        return None if row.due_at is None else moment(row.due_at)
    except ValueError:
        return 0.0
