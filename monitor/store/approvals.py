"""Approvals of versions: who approved or declined what, and what they saw. Rows are added, never changed.

Natural key: for the team, the version, the person and the time; for the client, the team's approval that was answered,
so that two answers at once are one.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, Row, String, Table, Text, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_new, is_of_stream
from monitor.text_limits import ENVIRONMENT, LABEL, NAME

APPROVALS = Table(
    "release_approvals",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("client", String(NAME), nullable=False, index=True),
    Column("model", String(NAME), nullable=False),
    Column("environment", String(ENVIRONMENT), nullable=False),
    Column("version", String(LABEL), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("approved", Integer, nullable=False),
    Column("who", String(256), nullable=False),
    Column("at", Float, nullable=False),
    Column("note", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("answers", String(16), nullable=False),
)
TEAM, CLIENT = "team", "client"


@dataclass(frozen=True, slots=True)
class Approval:
    """One decision on a version: `approved`, or declined. `role` is `team` or `client`.

    `digest` is that of the newest release of the version at that time; empty if none was recorded. `evidence` is what
    was seen, as JSON; may be empty. `answers` is the id of the team's approval that a client answered.
    """

    stream: Stream
    version: str
    role: str
    approved: bool
    who: str
    at: float
    digest: str = ""
    note: str = ""
    evidence: str = ""
    answers: str = ""

    @property
    def id(self) -> str:
        """The identity of the decision."""
        by = self.answers if self.role == CLIENT else f"{self.who}\0{self.at!r}"
        key = f"{self.stream}\0{self.version}\0{self.role}\0{by}"
        return hashlib.sha256(key.encode()).hexdigest()[:16]


def add(connection: Connection, approval: Approval) -> bool:
    """Store a decision; False if this one is known, or the client has answered before."""
    stream = approval.stream
    row: dict[str, Any] = {"client": stream.client, "model": stream.model, "environment": stream.environment}
    row |= {name: getattr(approval, name) for name in (*Approval.__slots__, "id") if name != "stream"}
    row["approved"] = int(approval.approved)
    return bool(insert_new(connection, APPROVALS, [row], ("id",)))


def of_client(connection: Connection, client: str) -> list[Approval]:
    """The decisions on a client's models, oldest first."""
    return _read(connection, select(APPROVALS).where(APPROVALS.c.client == client))


def of(connection: Connection, stream: Stream) -> list[Approval]:
    """The decisions on a stream's versions, oldest first."""
    return _read(connection, select(APPROVALS).where(*is_of_stream(APPROVALS.c, stream)))


def _read(connection: Connection, query: Any) -> list[Approval]:
    faults, approvals = faults_of(connection), []
    for row in connection.execute(
        query.order_by(APPROVALS.c.at, APPROVALS.c.approved.desc(), APPROVALS.c.id)
    ):
        with faults.isolate("release_approvals", f"{row.client}/{row.model} {row.id}"):
            approvals.append(_approval(row))
    return approvals


def _approval(row: Row[Any]) -> Approval:
    if row.role not in (TEAM, CLIENT) or row.approved not in (0, 1):
        msg = f"{row.role!r} {row.approved!r} is not a decision"
        raise ValueError(msg)
    texts = {name: words(getattr(row, name)) for name in ("digest", "note", "evidence", "answers")}
    stream = Stream(words(row.client), words(row.model), words(row.environment))
    at = moment(row.at)
    return Approval(
        stream, words(row.version), words(row.role), bool(row.approved), words(row.who), at, **texts
    )
