"""Readings of gauges, added up per minute. Natural key: stream, gauge, instance, quantity, resource and minute."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    Table,
    func,
    select,
)

from monitor.records import Stream
from monitor.store.db import metadata
from monitor.store.retention import Aged
from monitor.store.rows import moment, number, whole_number, words
from monitor.store.statements import upsert
from monitor.text_limits import ENVIRONMENT, NAME

MINUTE = 60
"""Length of one row, in seconds."""
INSTANCE, RESOURCE = 64, 128
"""Longest names, in characters."""
GAUGES = Table(
    "gauges",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("gauge", String(NAME), primary_key=True),
    Column("instance", String(INSTANCE), primary_key=True),
    Column("quantity", String(32), primary_key=True),
    Column("resource", String(RESOURCE), primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("total", Float, nullable=False),
    Column("highest", Float, nullable=False),
)
_KEY = tuple(column.name for column in GAUGES.primary_key.columns)
_PREFIX = _KEY[:-1]
AGED = Aged(GAUGES, _PREFIX, "start")


@dataclass(frozen=True, slots=True, order=True)
class GaugeKey:
    """One figure of one gauge. `instance` is the machine that it belongs to; empty where all daemons read the same."""

    stream: Stream
    gauge: str
    instance: str
    quantity: str
    resource: str


@dataclass(frozen=True, slots=True)
class GaugeSums:
    """Readings of the minute from `start`: their number, their sum, and the highest."""

    start: int
    n: int
    total: float
    highest: float

    @property
    def mean(self) -> float:
        """The mean of the readings."""
        return self.total / self.n


def add(connection: Connection, readings: Iterable[tuple[GaugeKey, float]], now: float) -> None:
    """Add readings to the sums of the present minute."""
    rows = [
        {
            **dict(zip(_KEY, (*_names(key), int(now) // MINUTE * MINUTE), strict=True)),
            "n": 1,
            "total": value,
            "highest": value,
        }
        for key, value in readings
    ]
    if not rows:
        return
    columns = GAUGES.c
    highest = func.max if connection.dialect.name == "sqlite" else func.greatest
    statement = upsert(
        connection.dialect.name,
        GAUGES,
        _KEY,
        lambda new: {
            "n": columns.n + new.n,
            "total": columns.total + new.total,
            "highest": highest(columns.highest, new.highest),
        },
    )
    connection.execute(statement, rows)


def load(
    connection: Connection, stream: Stream, gauge: str, start: float, end: float
) -> dict[GaugeKey, list[GaugeSums]]:
    """The sums of a gauge in the minutes of `[start, end)`, in order of time. A damaged row is left out."""
    columns = GAUGES.c
    query = (
        select(columns.instance, columns.quantity, columns.resource, columns.start)
        .add_columns(columns.n, columns.total, columns.highest)
        .where(*_of(stream, gauge), columns.start >= int(start), columns.start < int(end))
        .order_by(columns.instance, columns.quantity, columns.resource, columns.start)
    )
    by_gauge: dict[GaugeKey, list[GaugeSums]] = {}
    for row in connection.execute(query):
        try:
            key = GaugeKey(stream, gauge, words(row.instance), words(row.quantity), words(row.resource))
            sums = GaugeSums(
                whole_number(row.start), whole_number(row.n), number(row.total), number(row.highest)
            )
        except (ValueError, TypeError):
            continue
        if sums.n > 0:
            by_gauge.setdefault(key, []).append(sums)
    return by_gauge


def hourly(connection: Connection, key: GaugeKey, start: float, end: float) -> list[tuple[int, float]]:
    """Mean of the readings of each hour in `[start, end)` that has any: (begin of the hour, mean)."""
    columns = GAUGES.c
    hour = columns.start - columns.start % 3600
    query = (
        select(hour.label("hour"), func.sum(columns.n).label("n"), func.sum(columns.total).label("total"))
        .where(*_of(key.stream, key.gauge))
        .where(columns.instance == key.instance, columns.quantity == key.quantity)
        .where(columns.resource == key.resource, columns.start >= int(start), columns.start < int(end))
        .group_by(hour)
        .order_by(hour)
    )
    means = []
    for row in connection.execute(query):
        try:
            means.append((int(moment(row.hour)), number(row.total) / whole_number(row.n)))
        except (ValueError, TypeError, ZeroDivisionError):
            continue
    return means


def _of(stream: Stream, gauge: str) -> tuple[ColumnElement[bool], ...]:
    columns = GAUGES.c
    return (
        columns.client == stream.client,
        columns.model == stream.model,
        columns.environment == stream.environment,
        columns.gauge == gauge,
    )


def _names(key: GaugeKey) -> tuple[str, ...]:
    stream = key.stream
    return (
        stream.client,
        stream.model,
        stream.environment,
        key.gauge,
        key.instance[:INSTANCE],
        key.quantity,
        key.resource[:RESOURCE],
    )
