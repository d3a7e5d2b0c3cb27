"""Rollouts, and each step of them. Natural keys: stream and number, and the number of the step.

Rows are only added: the last step of a rollout is its state. Two processes that decide the same step write it once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, Integer, Row, String, Table, Text, delete, func, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, number, whole_number, words
from monitor.store.statements import insert_new, is_of_stream
from monitor.text_limits import ENVIRONMENT, LABEL, NAME

WHO = 256
"""Characters of the name of a person."""
_STREAM = ("client", "model", "environment")


def _key() -> list[Column[Any]]:
    return [
        Column("client", String(NAME), primary_key=True),
        Column("model", String(NAME), primary_key=True),
        Column("environment", String(ENVIRONMENT), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
    ]


ROLLOUTS = Table(
    "rollouts",
    metadata,
    *_key(),
    Column("canary", String(LABEL), nullable=False),
    Column("stable", String(LABEL), nullable=False),
    Column("plan", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("started_by", String(WHO), nullable=False),
)
STEPS = Table(
    "rollout_steps",
    metadata,
    *_key(),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("checks", Text, nullable=False),
)


class RolloutState(StrEnum):
    """Where a rollout is: it goes on, is through, is proven to be worse, or was stopped without proof."""

    RUNNING = "running"
    PROMOTED = "promoted"
    FAILED = "failed"
    STOPPED = "stopped"


class Stage(msgspec.Struct, frozen=True):
    """One stage of a plan: the canary's share of the traffic, in percent, and for how many seconds it is watched."""

    share: float
    seconds: float


class StoredCheck(msgspec.Struct, frozen=True):
    """The result of one signal of a verdict when a step was made, with the figures of both versions in `unit`."""

    name: str
    state: str
    reason: str
    e_value: float = 0.0
    canary: float | None = None
    stable: float | None = None
    unit: str = ""
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout of a version. `number` counts the rollouts of a stream, from 1."""

    stream: Stream
    number: int
    canary: str
    stable: str
    plan: tuple[Stage, ...]
    started_at: float
    started_by: str


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A change of a rollout: from `at` on, the canary receives `share` percent. `stage` is the place in the plan."""

    number: int
    at: float
    state: RolloutState
    stage: int
    share: float
    reason: str
    checks: tuple[StoredCheck, ...] = ()


def start(connection: Connection, rollout: Rollout, first: RolloutStep) -> bool:
    """Store a rollout with its first step; False if another one has its number."""
    row = {
        **_named(rollout),
        "canary": rollout.canary,
        "stable": rollout.stable,
        "plan": msgspec.json.encode(rollout.plan).decode(),
        "started_at": rollout.started_at,
        "started_by": rollout.started_by,
    }
    return bool(insert_new(connection, ROLLOUTS, [row], ("number",))) and add(connection, rollout, first)


def add(connection: Connection, rollout: Rollout, step: RolloutStep) -> bool:
    """Store a step; False if one of this number is stored already."""
    row = {
        **_named(rollout),
        "step": step.number,
        "at": step.at,
        "state": step.state.value,
        "stage": step.stage,
        "share": step.share,
        "reason": step.reason,
        "checks": msgspec.json.encode(step.checks).decode(),
    }
    return bool(insert_new(connection, STEPS, [row], ("step",)))


def latest(connection: Connection, stream: Stream) -> tuple[Rollout, tuple[RolloutStep, ...]] | None:
    """The newest rollout of a stream with its steps, oldest first; None if there is none."""
    newest = of_stream(connection, stream, 1)
    return newest[0] if newest else None


def of_stream(
    connection: Connection, stream: Stream, most: int = 20, before: int | None = None
) -> list[tuple[Rollout, tuple[RolloutStep, ...]]]:
    """The rollouts of a stream with their steps, newest first; with `before`, those with a smaller number."""
    columns = ROLLOUTS.c
    query = select(ROLLOUTS).where(*is_of_stream(columns, stream)).order_by(columns.number.desc()).limit(most)
    if before is not None:
        query = query.where(columns.number < before)
    return [(one, steps(connection, one)) for one in _rollouts(connection, connection.execute(query))]


def newest(connection: Connection, client: str = "") -> list[tuple[Rollout, tuple[RolloutStep, ...]]]:
    """The newest rollout of each stream, of one client or of all, with its steps."""
    owner = tuple(ROLLOUTS.c[name] for name in _STREAM)
    query = select(*owner).group_by(*owner).order_by(*owner)
    if client:
        query = query.where(ROLLOUTS.c.client == client)
    faults, rollouts = faults_of(connection), list[tuple[Rollout, tuple[RolloutStep, ...]]]()
    for row in connection.execute(query).all():
        with faults.isolate("rollouts", f"{row.client}/{row.model}"):
            known = latest(connection, Stream(words(row.client), words(row.model), words(row.environment)))
            if known is not None:
                rollouts.append(known)
    return rollouts


def running(connection: Connection) -> list[tuple[Rollout, RolloutStep]]:
    """The rollouts that are running, with their last step. Those that are over are not read."""
    same = [ROLLOUTS.c[name] == STEPS.c[name] for name in (*_STREAM, "number")]
    is_over = select(STEPS.c.step).where(*same, STEPS.c.state != RolloutState.RUNNING.value).exists()
    query = select(ROLLOUTS).where(~is_over).order_by(*(ROLLOUTS.c[name] for name in (*_STREAM, "number")))
    open_ones = _rollouts(connection, connection.execute(query).all())
    with_last = ((open_one, steps(connection, open_one)[-1]) for open_one in open_ones)
    return [(one, last) for one, last in with_last if last.state is RolloutState.RUNNING]


def steps_since(connection: Connection, since: float) -> list[tuple[Rollout, RolloutStep]]:
    """The steps of all rollouts from `since` on, with their rollouts; those that can be read."""
    same = [ROLLOUTS.c[name] == STEPS.c[name] for name in (*_STREAM, "number")]
    has_new = select(STEPS.c.step).where(*same, STEPS.c.at >= since).exists()
    query = select(ROLLOUTS).where(has_new).order_by(*(ROLLOUTS.c[name] for name in (*_STREAM, "number")))
    rollouts = _rollouts(connection, connection.execute(query).all())
    return [
        (rollout, step) for rollout in rollouts for step in steps(connection, rollout) if step.at >= since
    ]


def streams_since(connection: Connection, since: float) -> list[Stream]:
    """The streams of which a rollout had a step from `since` on."""
    owner = tuple(STEPS.c[name] for name in _STREAM)
    faults, known = faults_of(connection), list[Stream]()
    for row in connection.execute(
        select(*owner).where(STEPS.c.at >= since).group_by(*owner).order_by(*owner)
    ):
        with faults.isolate("rollout_steps", f"{row.client}/{row.model}"):
            known.append(Stream(words(row.client), words(row.model), words(row.environment)))
    return known


def ended_since(connection: Connection, client: str, since: float) -> list[tuple[Rollout, RolloutStep]]:
    """The rollouts of a client that were promoted, failed or stopped from `since` on, with that step, newest first."""
    same = [ROLLOUTS.c[name] == STEPS.c[name] for name in (*_STREAM, "number")]
    is_end = (STEPS.c.client == client, STEPS.c.at >= since, STEPS.c.state != RolloutState.RUNNING.value)
    query = select(STEPS).where(*is_end).order_by(STEPS.c.at.desc())
    ends = connection.execute(query).all()
    owners = connection.execute(select(ROLLOUTS).where(select(STEPS.c.step).where(*same, *is_end).exists()))
    by_key = {(one.stream, one.number): one for one in _rollouts(connection, owners.all())}
    faults, listed = faults_of(connection), list[tuple[Rollout, RolloutStep]]()
    for row in ends:
        with faults.isolate("rollout_steps", f"{row.client}/{row.model} {row.number} {row.step}"):
            owner = by_key.get((Stream(row.client, row.model, row.environment), row.number))
            if owner is not None:
                listed.append((owner, _step(row)))
    return listed


def steps(connection: Connection, rollout: Rollout) -> tuple[RolloutStep, ...]:
    """The steps of a rollout, oldest first; those that can be read.

    A last step that cannot be read stops the rollout: the one before it may have sent traffic to a bad version.
    """
    columns = STEPS.c
    mine = (*is_of_stream(columns, rollout.stream), columns.number == rollout.number)
    faults, readable = faults_of(connection), list[RolloutStep]()
    rows = connection.execute(select(STEPS).where(*mine).order_by(columns.step)).all()
    for row in rows:
        with faults.isolate("rollout_steps", f"{rollout.stream} {rollout.number} {row.step}"):
            readable.append(_step(row))
    if not readable or readable[-1].number != rows[-1].step:
        last = readable[-1].number + 1 if readable else 1
        unreadable = "the last step cannot be read"
        readable.append(RolloutStep(last, rollout.started_at, RolloutState.STOPPED, 0, 0.0, unreadable))
    return tuple(readable)


def last_number(connection: Connection, stream: Stream) -> int:
    """The number of the newest rollout of a stream, readable or not; 0 without any."""
    query = select(func.max(ROLLOUTS.c.number)).where(*is_of_stream(ROLLOUTS.c, stream))
    return int(connection.scalar(query) or 0)


def last_change(connection: Connection, client: str) -> float | None:
    """The time of the newest step of any rollout of a client; None without any."""
    last: float | None = connection.scalar(select(func.max(STEPS.c.at)).where(STEPS.c.client == client))
    return last


def delete_before(connection: Connection, before: float) -> int:
    """Delete rollouts that were started before, with their steps; how many there were."""
    old = select(*(ROLLOUTS.c[name] for name in (*_STREAM, "number"))).where(ROLLOUTS.c.started_at < before)
    for row in connection.execute(old).all():
        stream = Stream(row.client, row.model, row.environment)
        connection.execute(delete(STEPS).where(*is_of_stream(STEPS.c, stream), STEPS.c.number == row.number))
    return connection.execute(delete(ROLLOUTS).where(ROLLOUTS.c.started_at < before)).rowcount


def _named(rollout: Rollout) -> dict[str, Any]:
    stream = rollout.stream
    return {
        "client": stream.client,
        "model": stream.model,
        "environment": stream.environment,
        "number": rollout.number,
    }


def _rollouts(connection: Connection, rows: Iterable[Row[Any]]) -> Sequence[Rollout]:
    faults, readable = faults_of(connection), []
    for row in rows:
        with faults.isolate("rollouts", f"{row.client}/{row.model} {row.number}"):
            readable.append(_rollout(row))
    return readable


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(
        Stream(words(row.client), words(row.model), words(row.environment)),
        whole_number(row.number),
        words(row.canary),
        words(row.stable),
        msgspec.json.decode(words(row.plan), type=tuple[Stage, ...]),
        moment(row.started_at),
        words(row.started_by),
    )


def _step(row: Row[Any]) -> RolloutStep:
    return RolloutStep(
        whole_number(row.step),
        moment(row.at),
        RolloutState(words(row.state)),
        whole_number(row.stage),
        number(row.share),
        words(row.reason),
        msgspec.json.decode(words(row.checks), type=tuple[StoredCheck, ...]),
    )
