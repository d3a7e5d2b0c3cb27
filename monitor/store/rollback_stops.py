"""The kill switch of rollbacks: who has stopped them, for which stream or for all, and since when.

Natural key: the scope and the time.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, select, update

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_new
from monitor.text_limits import ENVIRONMENT, NAME

STOPS = Table(
    "rollback_stops",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("author", String(256), nullable=False),
    Column("comment", Text, nullable=False),
    Column("resumed_at", Float, nullable=True),
    Column("resumed_by", String(256), nullable=False),
)


@dataclass(frozen=True, slots=True)
class RollbackStop:
    """Rollbacks are stopped since `at`. `stream` is None if it is for all streams."""

    stream: Stream | None
    at: float
    author: str
    comment: str

    def covers(self, stream: Stream) -> bool:
        """Whether it stops rollbacks of this stream."""
        return self.stream in (None, stream)


def add(connection: Connection, stop: RollbackStop) -> None:
    """Stop rollbacks."""
    row = {**_scope(stop.stream), "at": stop.at, "author": stop.author, "comment": stop.comment}
    insert_new(connection, STOPS, [{**row, "resumed_at": None, "resumed_by": ""}], ("at",))


def resume(connection: Connection, stream: Stream | None, now: float, author: str) -> int:
    """End the stops of exactly this scope; how many there were."""
    here = [STOPS.c[name] == value for name, value in _scope(stream).items()]
    ended = update(STOPS).where(*here, STOPS.c.resumed_at.is_(None))
    return connection.execute(ended.values(resumed_at=now, resumed_by=author)).rowcount


def in_force(connection: Connection) -> list[RollbackStop]:
    """The stops that nobody has ended, oldest first. One that cannot be read stops everything."""
    faults, stops = faults_of(connection), []
    for row in connection.execute(select(STOPS).where(STOPS.c.resumed_at.is_(None)).order_by(STOPS.c.at)):
        stop = RollbackStop(None, 0.0, "unknown", "the stored stop cannot be read")
        with faults.isolate("rollback_stops", f"{row.client}/{row.model}"):
            stop = _stop(row)
        stops.append(stop)
    return stops


def delete_before(connection: Connection, before: float) -> int:
    """Delete stops that ended before; how many there were."""
    return connection.execute(delete(STOPS).where(STOPS.c.resumed_at < before)).rowcount


def _scope(stream: Stream | None) -> dict[str, str]:
    if stream is None:
        return {"client": "", "model": "", "environment": ""}
    return {"client": stream.client, "model": stream.model, "environment": stream.environment}


def _stop(row: Any) -> RollbackStop:
    scope = Stream(words(row.client), words(row.model), words(row.environment))
    return RollbackStop(
        scope if scope.client else None, moment(row.at), words(row.author), words(row.comment)
    )
