"""The times of the first and last prediction of each model version, by event time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Float, Row, String, Table, case, delete, func, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import prepared_upsert
from monitor.store.rows import moment, words
from monitor.store.statements import is_of_stream
from monitor.text_limits import ENVIRONMENT, LABEL, NAME

versions = Table(
    "versions",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("version", String(LABEL), primary_key=True),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)
_KEY = ["client", "model", "environment", "version"]


MOST = 200
"""Versions kept per stream: a sender may make up any number of names."""


def _grown(new: Any) -> dict[str, Any]:
    old = versions.c
    return {
        "first_seen": case((new.first_seen < old.first_seen, new.first_seen), else_=old.first_seen),
        "last_seen": case((new.last_seen > old.last_seen, new.last_seen), else_=old.last_seen),
    }


_PUT = prepared_upsert(versions, _KEY, _grown)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a stream's model; times are starts of base windows, in seconds since the epoch."""

    stream: Stream
    version: str
    first_seen: float
    last_seen: float


def put(connection: Connection, seen: Iterable[Version]) -> None:
    """Insert versions; for a known version, extend its period."""
    rows = [
        {
            "client": version.stream.client,
            "model": version.stream.model,
            "environment": version.stream.environment,
            "version": version.version,
            "first_seen": version.first_seen,
            "last_seen": version.last_seen,
        }
        for version in seen
    ]
    _PUT.insert(connection, rows)


def delete_oldest(connection: Connection) -> list[Version]:
    """In each stream with more than `MOST` versions, delete those that were last seen longest ago, and return them.

    Call it in the transaction that writes the versions.
    """
    c, deleted = versions.c, list[Version]()
    owner = (c.client, c.model, c.environment)
    crowded = select(*owner).group_by(*owner).having(func.count() > MOST)
    for row in connection.execute(crowded).all():
        stream = Stream(row.client, row.model, row.environment)
        mine = is_of_stream(c, stream)
        newest_first = select(versions).where(*mine).order_by(c.last_seen.desc(), c.version.desc())
        for old in connection.execute(newest_first.offset(MOST)).all():
            connection.execute(delete(versions).where(*mine, c.version == old.version))
            with faults_of(connection).isolate("versions", f"{stream} {old.version}"):
                deleted.append(_version(stream, old))
    return deleted


def load(connection: Connection, client: str = "") -> dict[Stream, list[Version]]:
    """The versions by stream, oldest first, of one client or of all."""
    query = select(versions).order_by(versions.c.first_seen, versions.c.version)
    if client:
        query = query.where(versions.c.client == client)
    versions_of: dict[Stream, list[Version]] = {}
    faults = faults_of(connection)
    for row in connection.execute(query):
        with faults.isolate("versions", f"{row.client}/{row.model} {row.version}"):
            stream = Stream(row.client, row.model, row.environment)
            versions_of.setdefault(stream, []).append(_version(stream, row))
    return versions_of


def of(connection: Connection, stream: Stream) -> list[Version]:
    """The versions of one stream, oldest first."""
    c = versions.c
    mine = is_of_stream(c, stream)
    rows = connection.execute(select(versions).where(*mine).order_by(c.first_seen, c.version))
    faults, readable = faults_of(connection), []
    for row in rows:
        with faults.isolate("versions", f"{row.client}/{row.model} {row.version}"):
            readable.append(_version(stream, row))
    return readable


def _version(stream: Stream, row: Row[Any]) -> Version:
    return Version(stream, words(row.version), moment(row.first_seen), moment(row.last_seen))
