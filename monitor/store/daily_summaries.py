"""One row per stream and local day, so that pages and digests over months are quick."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, String, Table, delete, func, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import replace
from monitor.text_limits import ENVIRONMENT, NAME

days = Table(
    "days",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("decisions", Float, nullable=False),
    Column("errors", Float, nullable=False),
    Column("metric", String(64), nullable=False),
    Column("quality", Float),
    Column("quality_n", Float, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("latency", Float),
    Column("updated_at", Float, nullable=False),
)
_KEY = ("client", "model", "environment", "day")


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One local day of a stream. `latency` is the usual latency in seconds; `quality` is the value of `metric`."""

    stream: Stream
    day: date
    decisions: float = 0.0
    errors: float = 0.0
    metric: str = ""
    quality: float | None = None
    quality_n: float = 0.0
    estimated: bool = False
    latency: float | None = None
    updated_at: float = 0.0


def put(connection: Connection, figures: Iterable[DayFigures]) -> None:
    """Insert or replace days."""
    rows = [_row(day) for day in figures]
    replace(connection, days, rows, _KEY)


def between(
    connection: Connection, client: str, first: date, last: date, model: str = ""
) -> dict[Stream, list[DayFigures]]:
    """The days from `first` to `last`, inclusive, of a client (all if empty), or of one of its models; by stream and in
    order of date.
    """
    query = select(days).where(days.c.day >= first.isoformat(), days.c.day <= last.isoformat())
    if client:
        query = query.where(days.c.client == client)
    if model:
        query = query.where(days.c.model == model)
    faults = faults_of(connection)
    summaries: dict[Stream, list[DayFigures]] = {}
    dates: dict[str, date] = {}
    # Thousands of rows for a client with many models: columns are read by position, and each date is parsed once.
    for owner, model, environment, day, *figures in connection.execute(
        query.order_by(days.c.model, days.c.environment, days.c.day)
    ):
        with faults.isolate("days", f"{owner}/{model}/{environment} {day}"):
            stream = Stream(owner, model, environment)
            if day not in dates:
                dates[day] = date.fromisoformat(day)
            summaries.setdefault(stream, []).append(_checked(DayFigures(stream, dates[day], *figures)))
    return summaries


def last_days(connection: Connection) -> dict[Stream, date]:
    """The last stored day of each stream."""
    key = (days.c.client, days.c.model, days.c.environment)
    query = select(*key, func.max(days.c.day)).group_by(*key)
    faults, last = faults_of(connection), {}
    for row in connection.execute(query):
        with faults.isolate("days", f"{row[0]}/{row[1]}/{row[2]} {row[3]}"):
            last[Stream(row[0], row[1], row[2])] = date.fromisoformat(row[3])
    return last


def delete_before(connection: Connection, first: date) -> int:
    """Delete days before `first`; the number of rows."""
    return connection.execute(delete(days).where(days.c.day < first.isoformat())).rowcount


def _checked(day: DayFigures) -> DayFigures:
    for value in (day.decisions, day.errors, day.quality_n, day.updated_at):
        moment(value)
    for figure in (day.quality, day.latency):
        if figure is not None:
            moment(figure)
    words(day.metric)
    return day


def _row(figures: DayFigures) -> dict[str, Any]:
    return {
        "client": figures.stream.client,
        "model": figures.stream.model,
        "environment": figures.stream.environment,
        "day": figures.day.isoformat(),
        "decisions": figures.decisions,
        "errors": figures.errors,
        "metric": figures.metric,
        "quality": figures.quality,
        "quality_n": figures.quality_n,
        "estimated": figures.estimated,
        "latency": figures.latency,
        "updated_at": figures.updated_at,
    }


def last_update(connection: Connection, client: str) -> float | None:
    """When a summary of a client was last stored, in seconds since the epoch; None if there is none."""
    at: float | None = connection.scalar(select(func.max(days.c.updated_at)).where(days.c.client == client))
    return at
