"""Profiles of a lake as bytes: windows whose rows were counted where they lie, and never came through the log.

They stand apart from what the daemon counts, so neither writes over the other; a window's counts are the sum of both.
The natural key is stream, length and start; the windows of one stream have one length and never overlap.
"""

import math
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
)

from monitor.records import Stream, Window
from monitor.store import register, revisions
from monitor.store.ageing import Aged
from monitor.store.db import metadata, whole
from monitor.store.prepared import Prepared
from monitor.store.profiles import StoredProfile
from monitor.store.upsert import replace

HISTORY = Table(
    "history",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("layout", String(16), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)

AGED = Aged(HISTORY, ("stream", "seconds"))

_MINE = HISTORY.c.stream == bindparam("number")
_SECONDS = select(HISTORY.c.seconds).where(_MINE).limit(1).scalar_subquery()
_EXTENT = Prepared(  # look-ups in the key, however many windows there are
    select(
        select(func.min(HISTORY.c.start)).where(_MINE, HISTORY.c.seconds == _SECONDS).scalar_subquery(),
        select(func.max(HISTORY.c.start)).where(_MINE, HISTORY.c.seconds == _SECONDS).scalar_subquery(),
        _SECONDS,
    )
)


def put(connection: Connection, stream: Stream, profile: StoredProfile, now: float) -> None:
    """Write the profile of a window in place of what was there."""
    revisions.advance(connection, stream, now)
    window = profile.window
    row = {
        "stream": register.key(connection, stream, now),
        "seconds": window.seconds,
        "start": window.start,
        "layout": profile.layout,
        "rows": profile.rows,
        "blob": profile.blob,
    }
    replace(connection, HISTORY, [row], ("stream", "seconds", "start"))


def get(connection: Connection, stream: Stream, window: Window) -> StoredProfile | None:
    """The profile of exactly this window."""
    here = (HISTORY.c.seconds == window.seconds, HISTORY.c.start == window.start)
    query = select(HISTORY).where(HISTORY.c.stream == register.find(connection, stream), *here)
    return next((_stored(row) for row in connection.execute(query)), None)


def inside(
    connection: Connection, stream: Stream, start: float, end: float, layout: str = ""
) -> Iterator[StoredProfile]:
    """The profiles of the windows that lie inside `[start, end]`, in order of time; of one layout if it is named."""
    c = HISTORY.c
    within = (c.start >= whole(start), c.start < whole(end), c.start + c.seconds <= whole(end, math.floor))
    query = select(HISTORY).where(c.stream == register.find(connection, stream), *within)
    for row in connection.execute((query.where(c.layout == layout) if layout else query).order_by(c.start)):
        yield _stored(row)


def seconds(connection: Connection, stream: Stream) -> int | None:
    """How long the windows of a stream's history are; None where it has none."""
    mine = HISTORY.c.stream == register.find(connection, stream)
    return connection.scalar(select(HISTORY.c.seconds).where(mine).limit(1))


def extent(connection: Connection, stream: Stream) -> Window | None:
    """From the start of the first to the end of the last window, or None when there is none."""
    mine = {"number": register.find(connection, stream)}
    first, last, length = list(_EXTENT.run(connection, mine).one())
    return None if first is None else Window(int(first), int(last) + int(length))


def extent_of(connection: Connection, stream: Stream, layout: str) -> Window | None:
    """The same of the windows that were counted by this layout alone."""
    c = HISTORY.c
    mine = (c.stream == register.find(connection, stream), c.layout == layout)
    first, last = connection.execute(
        select(func.min(c.start), func.max(c.start + c.seconds)).where(*mine)
    ).one()
    return None if first is None else Window(int(first), int(last))


def outdated(connection: Connection, stream: Stream, layout: str) -> int:
    """How many windows were counted by another layout than this."""
    mine = (HISTORY.c.stream == register.find(connection, stream), HISTORY.c.layout != layout)
    return connection.scalar(select(func.count()).select_from(HISTORY).where(*mine)) or 0


def remove(connection: Connection, stream: Stream) -> int:
    """Delete a stream's history; how many windows it had."""
    mine = HISTORY.c.stream == register.find(connection, stream)
    return connection.execute(delete(HISTORY).where(mine)).rowcount


def _stored(row: Row[Any]) -> StoredProfile:
    return StoredProfile(Window(row.start, row.start + row.seconds), row.layout, row.rows, bytes(row.blob))
