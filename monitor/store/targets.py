"""Whether agreed targets are kept: one row a period in which a target stood alike. Natural key: stream, metric, since.

The period that goes on has no end, and holds the newest figure. Only the process that judges writes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, String, Table, Text, delete, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import replace
from monitor.text_limits import ENVIRONMENT, NAME

TARGETS = Table(
    "target_periods",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("metric", String(64), primary_key=True),
    Column("since", Float, primary_key=True),
    Column("until", Float, nullable=True),
    Column("standing", String(16), nullable=False),
    Column("target", Float, nullable=False),
    Column("is_least", Boolean, nullable=False),
    Column("value", Float, nullable=True),
    Column("low", Float, nullable=True),
    Column("high", Float, nullable=True),
    Column("n", Float, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("worst", Float, nullable=True),
    Column("judged_at", Float, nullable=False),
)
_KEY = ("client", "model", "environment", "metric", "since")


@dataclass(frozen=True, slots=True)
class TargetFigure:
    """The figure of an agreed target: `value` with its 95 % interval `low` to `high`, from `n` rows of the last
    `seconds`.

    `value` must be at least `target` if `is_least`, otherwise at most. If `value` is None, `reason` says why.
    """

    metric: str
    target: float
    is_least: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float = 0.0
    seconds: int = 0
    estimated: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPeriod(TargetFigure):
    """A period in which the standing of an agreed target did not change, with its newest figure.

    `standing` is kept, at_risk, missed or unknown. `worst` is the worst value of the period. Times are in seconds since
    the epoch; `until` is None for the current period.
    """

    stream: Stream
    since: float
    until: float | None
    standing: str
    worst: float | None = None
    judged_at: float = 0.0


_FIELDS = tuple(field.name for field in fields(TargetPeriod) if field.name != "stream")


def put(connection: Connection, periods: Sequence[TargetPeriod]) -> None:
    """Insert or replace periods."""
    replace(connection, TARGETS, [_row(period) for period in periods], _KEY)


def current(connection: Connection, client: str = "") -> dict[Stream, tuple[TargetPeriod, ...]]:
    """The current periods of one client or of all, by stream and in order of the metric."""
    query = select(TARGETS).where(TARGETS.c.until.is_(None))
    return _read(connection, query.where(TARGETS.c.client == client) if client else query)


def between(
    connection: Connection, client: str, start: float, end: float
) -> dict[Stream, tuple[TargetPeriod, ...]]:
    """A client's periods that overlap `[start, end)`, by stream, in order of metric and time."""
    columns = TARGETS.c
    query = select(TARGETS).where(
        columns.client == client, columns.since < end, columns.until.is_(None) | (columns.until > start)
    )
    return _read(connection, query)


def delete_before(connection: Connection, before: float) -> int:
    """Delete periods that ended before; how many there were."""
    return connection.execute(delete(TARGETS).where(TARGETS.c.until < before)).rowcount


def _read(connection: Connection, query: Any) -> dict[Stream, tuple[TargetPeriod, ...]]:
    faults, periods = faults_of(connection), dict[Stream, list[TargetPeriod]]()
    for row in connection.execute(query.order_by(TARGETS.c.metric, TARGETS.c.since)):
        with faults.isolate("target_periods", f"{row.client}/{row.model}/{row.environment} {row.metric}"):
            period = _period(row)
            periods.setdefault(period.stream, []).append(period)
    return {stream: tuple(of_stream) for stream, of_stream in periods.items()}


def _period(row: Any) -> TargetPeriod:
    stream = Stream(words(row.client), words(row.model), words(row.environment))
    for at in (row.since, row.judged_at, row.since if row.until is None else row.until):
        moment(at)
    for figure in (row.target, row.n, row.value, row.low, row.high, row.worst):
        if figure is not None and not math.isfinite(figure):
            msg = f"{figure!r} is not a finite number"
            raise ValueError(msg)
    for text in (row.standing, row.reason):
        words(text)
    return TargetPeriod(stream=stream, **{name: getattr(row, name) for name in _FIELDS})


def _row(period: TargetPeriod) -> dict[str, Any]:
    key = {
        "client": period.stream.client,
        "model": period.stream.model,
        "environment": period.stream.environment,
    }
    return key | {name: getattr(period, name) for name in _FIELDS}
