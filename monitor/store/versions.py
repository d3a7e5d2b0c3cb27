"""When each version of a model answered for the first and for the last time, by event time."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from sqlalchemy import Column, Connection, Float, String, Table, case, select
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import Stream
from monitor.store.db import metadata
from monitor.store.prepared import Prepared

versions = Table(
    "versions",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("model", String(128), primary_key=True),
    Column("environment", String(32), primary_key=True),
    Column("version", String(512), primary_key=True),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)
_KEY = ["client", "model", "environment", "version"]


def _growing(dialect: ModuleType) -> Prepared:
    statement = dialect.insert(versions)
    new, old = statement.excluded, versions.c
    grown = {
        "first_seen": case((new.first_seen < old.first_seen, new.first_seen), else_=old.first_seen),
        "last_seen": case((new.last_seen > old.last_seen, new.last_seen), else_=old.last_seen),
    }
    taken = statement.on_conflict_do_update(index_elements=_KEY, set_=grown)
    return Prepared(taken, [column.name for column in versions.columns])


_PUT = {"sqlite": _growing(sqlite), "postgresql": _growing(postgresql)}


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a stream's model; times are starts of base windows, in seconds since the epoch."""

    stream: Stream
    version: str
    first_seen: float
    last_seen: float


def put(connection: Connection, seen: Iterable[Version]) -> None:
    """Note versions; what is known already only grows at its ends."""
    rows = [
        {
            "client": one.stream.client,
            "model": one.stream.model,
            "environment": one.stream.environment,
            "version": one.version,
            "first_seen": one.first_seen,
            "last_seen": one.last_seen,
        }
        for one in seen
    ]
    _PUT[connection.dialect.name].insert(connection, rows)


def load(connection: Connection, client: str = "") -> dict[Stream, list[Version]]:
    """Every version by stream, the oldest first; of one client or of all."""
    query = select(versions).order_by(versions.c.first_seen, versions.c.version)
    if client:
        query = query.where(versions.c.client == client)
    found: dict[Stream, list[Version]] = {}
    for row in connection.execute(query):
        stream = Stream(row.client, row.model, row.environment)
        found.setdefault(stream, []).append(Version(stream, row.version, row.first_seen, row.last_seen))
    return found


def of(connection: Connection, stream: Stream) -> list[Version]:
    """The versions of one stream, the oldest first."""
    c = versions.c
    mine = (c.client == stream.client, c.model == stream.model, c.environment == stream.environment)
    rows = connection.execute(select(versions).where(*mine).order_by(c.first_seen, c.version))
    return [Version(stream, row.version, row.first_seen, row.last_seen) for row in rows]
