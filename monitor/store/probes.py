"""The results of health probes, one row each. Natural key: stream and time."""

from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    String,
    Table,
    func,
    insert,
    select,
)

from monitor.records import Stream
from monitor.store.db import metadata
from monitor.store.retention import Aged
from monitor.store.statements import is_of_stream
from monitor.text_limits import ENVIRONMENT, NAME

probes = Table(
    "probes",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("succeeded", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("detail", String(256), nullable=False),
)

AGED = Aged(probes, ("client", "model", "environment"), "at")


@dataclass(frozen=True, slots=True)
class Probed:
    """The result of one request to a model's health endpoint, its duration in seconds, and the details."""

    stream: Stream
    at: float
    succeeded: bool
    seconds: float
    detail: str


def put(connection: Connection, probed: Probed) -> None:
    """Store one result."""
    row = {"at": probed.at, "succeeded": probed.succeeded, "seconds": probed.seconds, "detail": probed.detail}
    connection.execute(insert(probes).values(**dict(probed.stream.labels), **row))


def share(connection: Connection, stream: Stream, start: float, end: float) -> tuple[int, int]:
    """The numbers of probes in `[start, end)`: (succeeded, total)."""
    wanted = (*is_of_stream(probes.c, stream), probes.c.at >= start, probes.c.at < end)
    total = connection.scalar(select(func.count()).select_from(probes).where(*wanted)) or 0
    failed = connection.scalar(select(func.count()).where(*wanted, probes.c.succeeded.is_(False))) or 0
    return total - failed, total
