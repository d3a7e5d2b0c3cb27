"""Every episode of every alert that is kept, read from the transitions: when it began to fire and when it ended."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from monitor.records import Severity, State, Stream
from monitor.store.alerts import transitions
from monitor.store.db import faults_of
from monitor.store.rows import moment, whole_number, words

_BEGAN = (transitions.c.to == State.FIRING.value, transitions.c.before != State.RECOVERING.value)
_OVER = (State.RESOLVED.value, State.INACTIVE.value)


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that an alert fired. `ended_at` is None while it goes on, and where its end was not stored."""

    fingerprint: str
    number: int
    rule: str
    severity: Severity
    stream: Stream
    began_at: float
    ended_at: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class EpisodeFilter:
    """Which episodes are meant: those that began in `[start, end)`, of this client, model, rule and severity; "" means
    any.
    """

    client: str = ""
    model: str = ""
    rule: str = ""
    severity: str = ""
    start: float = 0.0
    end: float = 1e12


def count(connection: Connection, wanted: EpisodeFilter) -> int:
    """How many episodes fit."""
    return int(
        connection.scalar(select(func.count()).select_from(transitions).where(*_conditions(wanted))) or 0
    )


def find(connection: Connection, wanted: EpisodeFilter, offset: int = 0, limit: int = 100) -> list[Episode]:
    """The episodes that fit, newest first, from the one with number `offset` on; those that can be read."""
    c, later = transitions.c, transitions.alias("later")
    ended = (
        select(func.min(later.c.at))
        .where(later.c.fingerprint == c.fingerprint, later.c.episode == c.episode)
        .where(later.c.to.in_(_OVER), later.c.at >= c.at)
        .scalar_subquery()
    )
    query: Select[Any] = select(transitions, ended.label("ended")).where(*_conditions(wanted))
    query = query.order_by(c.at.desc(), c.fingerprint).offset(offset).limit(limit)
    faults, episodes = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("transitions", f"{row.fingerprint} at {row.at}"):
            stream = Stream(words(row.client), words(row.model), words(row.environment))
            over = None if row.ended is None else moment(row.ended)
            number, severity = whole_number(row.episode), Severity(row.severity)
            episodes.append(
                Episode(
                    words(row.fingerprint),
                    number,
                    words(row.rule),
                    severity,
                    stream,
                    moment(row.at),
                    over,
                    words(row.reason),
                )
            )
    return episodes


def rules(connection: Connection) -> list[str]:
    """The rules that episodes are of, in order."""
    names = connection.scalars(select(transitions.c.rule).where(*_BEGAN).distinct())
    return sorted(str(name) for name in names if name is not None)


def _conditions(wanted: EpisodeFilter) -> list[ColumnElement[bool]]:
    c = transitions.c
    equal = (
        (c.client, wanted.client), (c.model, wanted.model), (c.rule, wanted.rule), (c.severity, wanted.severity),
    )  # fmt: skip
    chosen = [column == value for column, value in equal if value]
    return [*_BEGAN, c.at >= wanted.start, c.at < wanted.end, *chosen]
