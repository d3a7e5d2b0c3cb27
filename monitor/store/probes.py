"""What health probes answered: one row a look. Natural key: stream and time."""

from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    String,
    Table,
    func,
    insert,
    select,
)

from monitor.records import Stream
from monitor.store.ageing import Aged
from monitor.store.db import metadata

probes = Table(
    "probes",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("model", String(128), primary_key=True),
    Column("environment", String(32), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("succeeded", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("detail", String(256), nullable=False),
)

AGED = Aged(probes, ("client", "model", "environment"), "at")


@dataclass(frozen=True, slots=True)
class Probed:
    """One look at a model's health address: whether it was well, after how long, and in which words."""

    stream: Stream
    at: float
    succeeded: bool
    seconds: float
    detail: str


def put(connection: Connection, probed: Probed) -> None:
    """Keep one answer."""
    row = {"at": probed.at, "succeeded": probed.succeeded, "seconds": probed.seconds, "detail": probed.detail}
    connection.execute(insert(probes).values(**dict(probed.stream.labels), **row))


def share(connection: Connection, stream: Stream, start: float, end: float) -> tuple[int, int]:
    """(succeeded, asked) in `[start, end)`."""
    wanted = (*_is(stream), probes.c.at >= start, probes.c.at < end)
    asked = connection.scalar(select(func.count()).select_from(probes).where(*wanted)) or 0
    failed = connection.scalar(select(func.count()).where(*wanted, probes.c.succeeded.is_(False))) or 0
    return asked - failed, asked


def _is(stream: Stream) -> tuple[ColumnElement[bool], ...]:
    columns = probes.c
    return (
        columns.client == stream.client,
        columns.model == stream.model,
        columns.environment == stream.environment,
    )
