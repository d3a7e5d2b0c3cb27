"""Releases: which version was released to which environment, with its manifest. Natural key: stream, version, digest.

A release is never changed. The same manifest recorded again is the same release; another one of the same version is a
release of its own, so that a version that was built twice can be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, Row, String, Table, Text, delete, func, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_new, is_of_stream
from monitor.text_limits import ENVIRONMENT, LABEL, NAME

RELEASES = Table(
    "releases",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("version", String(LABEL), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("released_at", Float, nullable=False),
    Column("recorded_at", Float, nullable=False),
    Column("released_by", String(256), nullable=False),
    Column("recorded_by", String(256), nullable=False),
    Column("source", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("manifest", Text, nullable=False),
)
MOST = 500
"""Releases kept per stream: a sender may record any number."""
_COMPONENTS = msgspec.json.Decoder(dict[str, str])
_FLAGS = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Release:
    """A version that was released to a stream's environment.

    `digest` identifies the manifest. `components` are the digests of what determines the answers, by name, such as
    `artifact.sha256`. `released_by` is who released it, `recorded_by` the key, user or program that recorded it, and
    `source` how: `api`, `command` or `mlflow`. `manifest` is JSON, and empty unless it was asked for. Times are in
    seconds since the epoch.
    """

    stream: Stream
    version: str
    digest: str
    released_at: float
    recorded_at: float
    released_by: str = ""
    recorded_by: str = ""
    source: str = "api"
    note: str = ""
    flags: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)
    manifest: str = ""


def add(connection: Connection, release: Release) -> bool:
    """Store a release; False if it is known. Of a stream with more than `MOST`, the oldest are deleted."""
    row = {
        "client": release.stream.client,
        "model": release.stream.model,
        "environment": release.stream.environment,
        "flags": msgspec.json.encode(release.flags).decode(),
        "components": msgspec.json.encode(dict(release.components)).decode(),
    }
    names = ("version", "digest", "released_at", "recorded_at", "released_by", "recorded_by", "source")
    row |= {name: getattr(release, name) for name in (*names, "note", "manifest")}
    if not insert_new(connection, RELEASES, [row], ("digest",)):
        return False
    _delete_oldest(connection, release.stream)
    return True


def newest(connection: Connection, most: int, client: str = "") -> dict[Stream, list[Release]]:
    """The `most` newest releases of each stream, oldest first, without manifests; of one client or of all."""
    c = RELEASES.c
    newest_first = (c.released_at.desc(), c.recorded_at.desc(), c.digest.desc())
    place = func.row_number().over(partition_by=(c.client, c.model, c.environment), order_by=newest_first)
    placed = select(*_HEAD, place.label("place"))
    inner = (placed.where(c.client == client) if client else placed).subquery()
    of_stream: dict[Stream, list[Release]] = {}
    for release in _read(connection, select(inner).where(inner.c.place <= most), inner.c):
        of_stream.setdefault(release.stream, []).append(release)
    return of_stream


def of(connection: Connection, stream: Stream) -> list[Release]:
    """The releases of one stream, oldest first, without manifests."""
    return _read(connection, select(*_HEAD).where(*is_of_stream(RELEASES.c, stream)))


def recorded_since(connection: Connection, since: float) -> list[Release]:
    """The releases of all streams that were recorded from `since` on, oldest first, without manifests."""
    return _read(connection, select(*_HEAD).where(RELEASES.c.recorded_at >= since))


def of_version(connection: Connection, stream: Stream, version: str) -> list[Release]:
    """The releases of one version, oldest first, without manifests."""
    return _read(
        connection, select(*_HEAD).where(*is_of_stream(RELEASES.c, stream), RELEASES.c.version == version)
    )


def with_manifests(connection: Connection, stream: Stream, version: str) -> list[Release]:
    """The releases of one version, oldest first, with their manifests."""
    query = select(RELEASES).where(*is_of_stream(RELEASES.c, stream), RELEASES.c.version == version)
    return _read(connection, query)


def first_recorded(connection: Connection) -> dict[Stream, float]:
    """When the first release of each stream was recorded; a stream without any is missing."""
    c = RELEASES.c
    owner = (c.client, c.model, c.environment)
    rows = connection.execute(select(*owner, func.min(c.recorded_at).label("at")).group_by(*owner))
    faults, first = faults_of(connection), {}
    for row in rows:
        with faults.isolate("releases", f"{row.client}/{row.model}"):
            first[Stream(words(row.client), words(row.model), words(row.environment))] = moment(row.at)
    return first


_HEAD = tuple(column for column in RELEASES.columns if column.name != "manifest")


def _delete_oldest(connection: Connection, stream: Stream) -> None:
    c = RELEASES.c
    mine = is_of_stream(c, stream)
    newest_first = select(c.version, c.digest).where(*mine).order_by(c.recorded_at.desc(), c.digest.desc())
    for old in connection.execute(newest_first.offset(MOST)).all():
        connection.execute(delete(RELEASES).where(*mine, c.version == old.version, c.digest == old.digest))


def _read(connection: Connection, query: Any, columns: Any = RELEASES.c) -> list[Release]:
    ordered = query.order_by(columns.released_at, columns.recorded_at, columns.digest)
    faults, releases = faults_of(connection), []
    for row in connection.execute(ordered):
        with faults.isolate("releases", f"{row.client}/{row.model} {row.version}"):
            releases.append(_release(row))
    return releases


def _release(row: Row[Any]) -> Release:
    return Release(
        Stream(words(row.client), words(row.model), words(row.environment)),
        words(row.version),
        words(row.digest),
        moment(row.released_at),
        moment(row.recorded_at),
        words(row.released_by),
        words(row.recorded_by),
        words(row.source),
        words(row.note),
        _FLAGS.decode(words(row.flags)),
        _COMPONENTS.decode(words(row.components)),
        words(row.manifest) if "manifest" in row._fields else "",
    )
