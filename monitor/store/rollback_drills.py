"""Drills of rollbacks: when, by whom, how long each step took, and whether it worked. Natural key: stream and start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import is_of_stream, replace
from monitor.text_limits import ENVIRONMENT, NAME

DRILLS = Table(
    "rollback_drills",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("started_at", Float, primary_key=True),
    Column("ended_at", Float, nullable=True),
    Column("outcome", String(16), nullable=False),
    Column("author", String(256), nullable=False),
    Column("executor", String(32), nullable=False),
    Column("steps", Text, nullable=False),
)
PASSED, FAILED, RUNNING = "passed", "failed", "running"


class DrillStep(msgspec.Struct, frozen=True):
    """One step of a drill: its name, how long it took in seconds, and what came of it."""

    name: str
    seconds: float
    worked: bool
    words: str


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill of a model's rollback. `environment` of the stream is where it was done.

    `outcome` is `passed`, `failed`, or `running`: one that was interrupted stays so.
    """

    stream: Stream
    started_at: float
    ended_at: float | None
    outcome: str
    author: str
    executor: str
    steps: tuple[DrillStep, ...]

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended_at is None else self.ended_at - self.started_at


def put(connection: Connection, drill: Drill) -> None:
    """Store a drill, or what became of it."""
    row = {
        "client": drill.stream.client,
        "model": drill.stream.model,
        "environment": drill.stream.environment,
        "started_at": drill.started_at,
        "ended_at": drill.ended_at,
        "outcome": drill.outcome,
        "author": drill.author,
        "executor": drill.executor,
        "steps": msgspec.json.encode(drill.steps).decode(),
    }
    replace(connection, DRILLS, [row], ("client", "model", "environment", "started_at"))


def of_model(connection: Connection, client: str, model: str, limit: int = 20) -> list[Drill]:
    """The newest drills of a model in any environment, newest first."""
    return _found(connection, limit, DRILLS.c.client == client, DRILLS.c.model == model)


def of_stream(connection: Connection, stream: Stream, limit: int = 20) -> list[Drill]:
    """The newest drills in one environment, newest first."""
    return _found(connection, limit, *is_of_stream(DRILLS.c, stream))


def delete_before(connection: Connection, before: float) -> int:
    """Delete drills that began before; how many there were."""
    return connection.execute(delete(DRILLS).where(DRILLS.c.started_at < before)).rowcount


def _found(connection: Connection, limit: int, *conditions: Any) -> list[Drill]:
    query = select(DRILLS).where(*conditions).order_by(DRILLS.c.started_at.desc()).limit(limit)
    faults, readable = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("rollback_drills", f"{row.client}/{row.model} {row.started_at}"):
            readable.append(_drill(row))
    return readable


def _drill(row: Any) -> Drill:
    stream = Stream(words(row.client), words(row.model), words(row.environment))
    steps: Sequence[DrillStep] = msgspec.json.decode(words(row.steps), type=tuple[DrillStep, ...])
    ended = None if row.ended_at is None else moment(row.ended_at)
    return Drill(
        stream,
        moment(row.started_at),
        ended,
        words(row.outcome),
        words(row.author),
        words(row.executor),
        tuple(steps),
    )
