"""Profiles of a lake as bytes: windows whose rows were profiled in place, and are not in the prediction log.

They are separate from the profiles that the daemon counts, so that neither overwrites the other. The counts of a window
are the sum of both.
The natural key is stream, length and start; the windows of one stream have one length and never overlap.
"""

import math
from collections.abc import Iterable, Iterator

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
)

from monitor.records import Stream, Window
from monitor.store import profile_versions, streams
from monitor.store.db import faults_of, metadata, whole
from monitor.store.prepared_statements import Prepared
from monitor.store.profiles import StoredProfile, row_of, stored
from monitor.store.retention import Aged
from monitor.store.rows import moment, whole_number
from monitor.store.statements import replace

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
_EXTENT = Prepared(  # look-ups by key, so the time does not grow with the number of windows
    select(
        select(func.min(HISTORY.c.start)).where(_MINE, HISTORY.c.seconds == _SECONDS).scalar_subquery(),
        select(func.max(HISTORY.c.start)).where(_MINE, HISTORY.c.seconds == _SECONDS).scalar_subquery(),
        _SECONDS,
    )
)


def put(connection: Connection, stream: Stream, profile: StoredProfile, now: float) -> None:
    """Insert or replace the profile of a window."""
    profile_versions.advance(connection, stream, now)
    row = row_of(streams.key(connection, stream, now), profile)
    replace(connection, HISTORY, [row], ("stream", "seconds", "start"))


def get(connection: Connection, stream: Stream, window: Window) -> StoredProfile | None:
    """The profile of exactly this window."""
    here = (HISTORY.c.seconds == window.seconds, HISTORY.c.start == window.start)
    query = select(HISTORY).where(HISTORY.c.stream == streams.find(connection, stream), *here)
    return next((stored(row) for row in connection.execute(query)), None)


def inside(
    connection: Connection, stream: Stream, start: float, end: float, layout: str = ""
) -> Iterator[StoredProfile]:
    """The profiles of the windows that lie inside `[start, end]`, in order of time; of one layout if it is named."""
    c = HISTORY.c
    within = (c.start >= whole(start), c.start < whole(end), c.start + c.seconds <= whole(end, math.floor))
    query = select(HISTORY).where(c.stream == streams.find(connection, stream), *within)
    for row in connection.execute((query.where(c.layout == layout) if layout else query).order_by(c.start)):
        yield stored(row)


def seconds(connection: Connection, stream: Stream) -> int | None:
    """The length of a stream's lake windows, in seconds; None if it has none."""
    mine = HISTORY.c.stream == streams.find(connection, stream)
    return connection.scalar(select(HISTORY.c.seconds).where(mine).limit(1))


def extent(connection: Connection, stream: Stream) -> Window | None:
    """From the start of the first to the end of the last window. None when there is none, or a row of it is damaged."""
    mine = {"number": streams.find(connection, stream)}
    ((first, last, length),) = _EXTENT.rows(connection, mine)
    if first is not None:
        with faults_of(connection).isolate("history", f"{stream}: its extent"):
            return Window(int(moment(first)), int(moment(last)) + whole_number(length))
    return None


def read_extents_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read what `extent` gives of each of these streams."""
    numbers = (streams.find(connection, stream) for stream in some)
    _EXTENT.read_ahead(connection, [{"number": number} for number in numbers if number is not None])


def extent_of(connection: Connection, stream: Stream, layout: str) -> Window | None:
    """As `extent`, of the windows that were counted by this layout."""
    c = HISTORY.c
    mine = (c.stream == streams.find(connection, stream), c.layout == layout)
    first, last = connection.execute(
        select(func.min(c.start), func.max(c.start + c.seconds)).where(*mine)
    ).one()
    if first is not None:
        with faults_of(connection).isolate("history", f"{stream}: its extent by layout"):
            return Window(int(moment(first)), int(moment(last)))
    return None


def outdated(connection: Connection, stream: Stream, layout: str) -> int:
    """The number of windows that were counted by another layout."""
    mine = (HISTORY.c.stream == streams.find(connection, stream), HISTORY.c.layout != layout)
    return connection.scalar(select(func.count()).select_from(HISTORY).where(*mine)) or 0


def remove(connection: Connection, stream: Stream) -> int:
    """Delete the lake profiles of a stream; the number of windows."""
    mine = HISTORY.c.stream == streams.find(connection, stream)
    return connection.execute(delete(HISTORY).where(mine)).rowcount
