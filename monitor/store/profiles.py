"""Profiles of windows as bytes: base windows, and the sums of several that longer windows are put together from.

The natural key is stream, length and start. `monitor.windows` reads the bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    delete,
    func,
    select,
    tuple_,
)

from monitor.records import Stream, Window
from monitor.store import predictions
from monitor.store.db import metadata
from monitor.store.upsert import replace

PROFILES = Table(
    "profiles",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("layout", String(16), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile as it lies in the store."""

    window: Window
    layout: str
    rows: int
    blob: bytes


def put(connection: Connection, stream: Stream, profile: StoredProfile, now: float) -> None:
    """Write the profile of a window in place of what was there."""
    window = profile.window
    row: dict[str, Any] = {
        "stream": predictions.key(connection, stream, now),
        "seconds": window.seconds,
        "start": window.start,
    }
    row |= {"layout": profile.layout, "rows": profile.rows, "blob": profile.blob}
    replace(connection, PROFILES, [row], ("stream", "seconds", "start"))


def get(connection: Connection, stream: Stream, window: Window) -> StoredProfile | None:
    """The profile of exactly this window."""
    number = predictions.find(connection, stream)
    columns = PROFILES.c
    here = (columns.stream == number, columns.seconds == window.seconds, columns.start == window.start)
    row = connection.execute(select(PROFILES).where(*here)).first()
    return None if row is None else _stored(row)


def layouts_inside(
    connection: Connection, stream: Stream, window: Window, shortest: int
) -> dict[Window, str]:
    """Which windows inside this one have a profile, and of which layout: lengths are `shortest` times a power of 2."""
    columns = PROFILES.c
    lengths = [shortest << doubled for doubled in range(25) if shortest << doubled <= window.seconds]
    inside = (columns.start >= window.start, columns.start + columns.seconds <= window.end)
    bounded = (columns.seconds.in_(lengths), columns.start < window.end, *inside)
    query = select(columns.seconds, columns.start, columns.layout)
    rows = connection.execute(query.where(columns.stream == predictions.find(connection, stream), *bounded))
    return {Window(start, start + seconds): layout for seconds, start, layout in rows}


def some(connection: Connection, stream: Stream, windows: Sequence[Window]) -> dict[Window, StoredProfile]:
    """The profiles of exactly these windows, where there are any."""
    columns = PROFILES.c
    mine = columns.stream == predictions.find(connection, stream)
    found = {}
    for at in range(0, len(windows), 400):
        keys = [(window.seconds, window.start) for window in windows[at : at + 400]]
        query = select(PROFILES).where(mine, tuple_(columns.seconds, columns.start).in_(keys))
        found.update({stored.window: stored for stored in map(_stored, connection.execute(query))})
    return found


def between(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float
) -> Iterator[StoredProfile]:
    """The profiles of windows of this length that lie inside `[start, end]`, in order of time."""
    rows = connection.execute(
        select(PROFILES).where(*_inside(connection, stream, seconds, start, end)).order_by("start")
    )
    for row in rows:
        yield _stored(row)


def starts(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> list[int]:
    """When the windows of this length begin that lie inside `[start, end]` and have a profile, in order."""
    query = select(PROFILES.c.start).where(*_inside(connection, stream, seconds, start, end))
    return list(connection.scalars(query.order_by(PROFILES.c.start)))


def extent(connection: Connection, stream: Stream, seconds: int) -> tuple[int, int] | None:
    """Start of the first and end of the last window of this length, or None when there is none."""
    columns = PROFILES.c
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == seconds)
    row = connection.execute(select(func.min(columns.start), func.max(columns.start)).where(*mine)).one()
    return None if row[0] is None else (int(row[0]), int(row[1]) + seconds)


def delete_sums(connection: Connection, stream: Stream, window: Window) -> None:
    """Delete the profiles of longer windows that cover this one, because it changed."""
    columns = PROFILES.c
    lengths = [window.seconds << doubled for doubled in range(1, 25)]
    covering = [(length, window.start // length * length) for length in lengths]
    mine = columns.stream == predictions.find(connection, stream)
    connection.execute(delete(PROFILES).where(mine, tuple_(columns.seconds, columns.start).in_(covering)))


def delete_all(connection: Connection, stream: Stream, start: float, end: float) -> None:
    """Delete every profile that overlaps `[start, end)`, before the rows are counted again."""
    columns = PROFILES.c
    overlaps = (columns.start < end, columns.start + columns.seconds > start)
    connection.execute(
        delete(PROFILES).where(columns.stream == predictions.find(connection, stream), *overlaps)
    )


def delete_before(connection: Connection, before: float) -> int:
    """Delete the profiles of windows that ended by `before`."""
    columns = PROFILES.c
    return connection.execute(delete(PROFILES).where(columns.start + columns.seconds <= before)).rowcount


def _inside(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float
) -> tuple[Any, ...]:
    columns = PROFILES.c
    mine = columns.stream == predictions.find(connection, stream)
    return mine, columns.seconds == seconds, columns.start >= start, columns.start <= end - seconds


def _stored(row: Row[Any]) -> StoredProfile:
    return StoredProfile(Window(row.start, row.start + row.seconds), row.layout, row.rows, bytes(row.blob))
