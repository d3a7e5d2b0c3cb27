"""Rollbacks: decisions to take a version back or to freeze its rollout, and what became of them.

Natural key: stream, version, trigger and mode. A row goes from `withheld` or `decided` to `sent`, `confirmed` or
`failed`, and `verified`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, or_, select, update

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, number, words
from monitor.store.statements import insert_new, is_of_stream
from monitor.text_limits import ENVIRONMENT, LABEL, NAME

ROLLBACKS = Table(
    "rollbacks",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("version", String(LABEL), primary_key=True),
    Column("trigger", String(LABEL), primary_key=True),
    Column("mode", String(16), primary_key=True),
    Column("id", String(12), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("executor", String(32), nullable=False),
    Column("other", String(LABEL), nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String(256), nullable=False),
    Column("decided_at", Float, nullable=False),
    Column("sent_at", Float, nullable=True),
    Column("answered_at", Float, nullable=True),
    Column("ended_at", Float, nullable=True),
    Column("detail", Text, nullable=False),
    Column("share_before", Float, nullable=True),
    Column("share_after", Float, nullable=True),
)


class RollbackState(StrEnum):
    """How far a rollback has come."""

    WITHHELD = "withheld"
    """Decided against, for a reason that may pass: it is decided again while the alert fires."""
    DECIDED = "decided"
    """The order is in the outbox."""
    SENT = "sent"
    """An executor was called. Without a receipt, its answer is not known."""
    CONFIRMED = "confirmed"
    """The executor has accepted the order; for a dry run, the end."""
    FAILED = "failed"
    """The order was refused or has expired, or the version has kept its traffic."""
    VERIFIED = "verified"
    """The version has lost its traffic; a frozen rollout: the executor has accepted it."""


_MOST_RECENT = 1000
OPEN = (RollbackState.DECIDED, RollbackState.SENT, RollbackState.CONFIRMED, RollbackState.FAILED)


@dataclass(frozen=True, slots=True)
class Rollback:
    """One decision. Times are seconds since the epoch; shares are those of the version in all answers."""

    stream: Stream
    version: str
    trigger: str
    mode: str
    id: str
    kind: str
    state: RollbackState
    executor: str
    other: str
    reason: str
    author: str
    decided_at: float
    sent_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    detail: str = ""
    share_before: float | None = None
    share_after: float | None = None

    @property
    def is_real(self) -> bool:
        """Whether it is neither a dry run nor a drill."""
        return self.mode == "on"

    @property
    def was_ordered(self) -> bool:
        """Whether an order was given."""
        return self.state is not RollbackState.WITHHELD


_PLAIN = tuple(field.name for field in fields(Rollback) if field.name not in ("stream", "state"))


def add(connection: Connection, rollback: Rollback) -> bool:
    """Store a decision; False if one of this stream, version, trigger and mode is stored already."""
    return bool(insert_new(connection, ROLLBACKS, [_row(rollback)], ("id",)))


def change(connection: Connection, rollback: Rollback, before: Sequence[RollbackState]) -> bool:
    """Replace a stored decision that is in one of the states `before`; False if it is not."""
    row = _row(rollback)
    here = (ROLLBACKS.c.id == rollback.id, ROLLBACKS.c.state.in_([state.value for state in before]))
    return connection.execute(update(ROLLBACKS).where(*here).values(**row)).rowcount > 0


def of_stream(connection: Connection, stream: Stream, limit: int = 1000) -> list[Rollback]:
    """The newest decisions of a stream, newest first."""
    return _found(connection, limit, *is_of_stream(ROLLBACKS.c, stream))


def latest(connection: Connection, limit: int = 200, client: str = "") -> list[Rollback]:
    """The newest decisions of all streams, or of one client's, newest first."""
    return _found(connection, limit, *([ROLLBACKS.c.client == client] if client else []))


def unfinished(connection: Connection) -> list[Rollback]:
    """Decisions whose order is not verified yet."""
    return _found(connection, 1000, ROLLBACKS.c.state.in_([state.value for state in OPEN]))


def ordered_since(connection: Connection, since: float) -> list[Rollback]:
    """The orders of all streams that were given, or have ended, from `since` on, newest first."""
    is_new = or_(ROLLBACKS.c.decided_at >= since, ROLLBACKS.c.ended_at >= since)
    return _found(connection, _MOST_RECENT, is_new, ROLLBACKS.c.state != RollbackState.WITHHELD.value)


def named(connection: Connection, identity: str) -> Rollback | None:
    """The decision of this id."""
    return next(iter(_found(connection, 1, ROLLBACKS.c.id == identity)), None)


def delete_before(connection: Connection, before: float) -> int:
    """Delete decisions that were made before; how many there were."""
    return connection.execute(delete(ROLLBACKS).where(ROLLBACKS.c.decided_at < before)).rowcount


def _found(connection: Connection, limit: int, *conditions: Any) -> list[Rollback]:
    query = select(ROLLBACKS).where(*conditions)
    faults, readable = faults_of(connection), []
    ordered = query.order_by(ROLLBACKS.c.decided_at.desc(), ROLLBACKS.c.id).limit(limit)
    for row in connection.execute(ordered):
        with faults.isolate("rollbacks", f"{row.client}/{row.model} {row.id}"):
            readable.append(_rollback(row))
    return readable


def _row(rollback: Rollback) -> dict[str, Any]:
    stream = rollback.stream
    return {
        "client": stream.client,
        "model": stream.model,
        "environment": stream.environment,
        "state": rollback.state.value,
        **{name: getattr(rollback, name) for name in _PLAIN},
    }


def _rollback(row: Any) -> Rollback:
    def passed(value: object) -> float | None:
        return None if value is None else moment(value)

    def share(value: object) -> float | None:
        return None if value is None else number(value)

    return Rollback(
        Stream(words(row.client), words(row.model), words(row.environment)),
        words(row.version),
        words(row.trigger),
        words(row.mode),
        words(row.id),
        words(row.kind),
        RollbackState(row.state),
        words(row.executor),
        words(row.other),
        words(row.reason),
        words(row.author),
        moment(row.decided_at),
        passed(row.sent_at),
        passed(row.answered_at),
        passed(row.ended_at),
        words(row.detail),
        share(row.share_before),
        share(row.share_after),
    )
