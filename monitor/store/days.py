"""What each model did on each local day: small rows, so that pages and digests over months stay quick."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, String, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import Stream
from monitor.store.db import metadata

days = Table(
    "days",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("model", String(128), primary_key=True),
    Column("environment", String(32), primary_key=True),
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
    """One local day of a stream. `latency` is the usual time to answer in seconds; `quality` is by `metric`."""

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
    """Write days over what was there."""
    rows = [_row(one) for one in figures]
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(days)
    changed = {
        column.name: statement.excluded[column.name] for column in days.columns if column.name not in _KEY
    }
    connection.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=changed), rows)


def between(connection: Connection, client: str, first: date, last: date) -> dict[Stream, list[DayFigures]]:
    """A client's days from `first` to `last`, both of them in, by stream and in order."""
    query = select(days).where(
        days.c.client == client, days.c.day >= first.isoformat(), days.c.day <= last.isoformat()
    )
    found: dict[Stream, list[DayFigures]] = {}
    dates: dict[str, date] = {}
    # Thousands of rows for a client of many models: taken apart by place, and each date is read once.
    for owner, model, environment, day, *figures in connection.execute(
        query.order_by(days.c.model, days.c.environment, days.c.day)
    ):
        stream = Stream(owner, model, environment)
        if day not in dates:
            dates[day] = date.fromisoformat(day)
        found.setdefault(stream, []).append(DayFigures(stream, dates[day], *figures))
    return found


def last_days(connection: Connection) -> dict[Stream, date]:
    """The last day that is known of each stream."""
    key = (days.c.client, days.c.model, days.c.environment)
    query = select(*key, func.max(days.c.day)).group_by(*key)
    return {Stream(row[0], row[1], row[2]): date.fromisoformat(row[3]) for row in connection.execute(query)}


def delete_before(connection: Connection, first: date) -> int:
    """Delete days before `first`; how many there were."""
    return connection.execute(delete(days).where(days.c.day < first.isoformat())).rowcount


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
