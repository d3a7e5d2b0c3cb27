"""Profiles of windows as bytes: base windows, and the sums of several that longer windows are put together from.

The natural key is stream, length and start. `monitor.windows` reads the bytes.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
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
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)

from monitor.records import Stream, Window
from monitor.store import register
from monitor.store.ageing import Aged
from monitor.store.db import metadata, whole
from monitor.store.prepared import Prepared, PreparedReplace

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
AGED = Aged(PROFILES, ("stream", "seconds"))
_HERE = tuple(PROFILES.c[name] == bindparam(name) for name in ("stream", "seconds", "start"))
_GET = Prepared(select(PROFILES).where(*_HERE))
_AT_ONCE = 12
_GET_SOME = Prepared(
    select(PROFILES).where(
        or_(
            *(
                and_(
                    _HERE[0],
                    PROFILES.c.seconds == bindparam(f"seconds{n}"),
                    PROFILES.c.start == bindparam(f"start{n}"),
                )
                for n in range(_AT_ONCE)
            )
        )
    )
)
_PUT = PreparedReplace(PROFILES, ("stream", "seconds", "start"))
_LENGTHS = tuple(range(1, 25))
"""How often a base window is doubled in the longest sum."""
# Each part names the whole key: else SQLite reads the index of all windows of the stream.
_DELETE_SUMS = Prepared(
    delete(PROFILES).where(
        or_(
            *(
                and_(
                    _HERE[0],
                    PROFILES.c.seconds == bindparam(f"seconds{n}"),
                    PROFILES.c.start == bindparam(f"start{n}"),
                )
                for n in _LENGTHS
            )
        )
    )
)
# One look-up in the key for each end: both in one select would read all windows between them.
_EXTENT = Prepared(
    select(
        *(select(end(PROFILES.c.start)).where(*_HERE[:2]).scalar_subquery() for end in (func.min, func.max))
    )
)
_STARTS = Prepared(
    select(PROFILES.c.start)
    .where(*_HERE[:2], PROFILES.c.start >= bindparam("first"), PROFILES.c.start <= bindparam("last"))
    .order_by(PROFILES.c.start)
)


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile as it lies in the store."""

    window: Window
    layout: str
    rows: int
    blob: bytes


def put(connection: Connection, stream: Stream, written: Iterable[StoredProfile], now: float) -> None:
    """Write the profiles of windows in place of what was there."""
    number = register.key(connection, stream, now)
    rows = [
        _key(number, one.window) | {"layout": one.layout, "rows": one.rows, "blob": one.blob}
        for one in written
    ]
    _PUT.run(connection, rows)


def get(connection: Connection, stream: Stream, window: Window) -> StoredProfile | None:
    """The profile of exactly this window."""
    row = _GET.run(connection, _key(register.find(connection, stream), window)).first()
    return None if row is None else _stored(row)


def get_some(connection: Connection, stream: Stream, windows: Sequence[Window]) -> list[StoredProfile]:
    """The profiles of exactly these windows, of those that have one, in any order. A dozen takes one statement."""
    number, found = register.find(connection, stream), []
    for at in range(0, len(windows), _AT_ONCE):
        some = windows[at : at + _AT_ONCE]
        values: dict[str, Any] = {"stream": number}
        for n in range(_AT_ONCE):
            window = some[min(n, len(some) - 1)]  # one that is asked for twice is told once
            values |= {f"seconds{n}": window.seconds, f"start{n}": window.start}
        found += [_stored(row) for row in _GET_SOME.run(connection, values)]
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
    number = register.find(connection, stream)
    inside = {"stream": number, "seconds": seconds, "first": start, "last": end - seconds}
    return [int(row[0]) for row in _STARTS.run(connection, inside)]


def extent(connection: Connection, stream: Stream, seconds: int) -> tuple[int, int] | None:
    """Start of the first and end of the last window of this length, or None when there is none."""
    here = {"stream": register.find(connection, stream), "seconds": seconds}
    first, last = list(_EXTENT.run(connection, here).one())
    return None if first is None else (int(first), int(last) + seconds)


def first_of(connection: Connection, stream: Stream, seconds: int, layout: str) -> int | None:
    """When the first window of this length begins that was counted by this layout, or None when there is none."""
    columns = PROFILES.c
    mine = (columns.stream == register.find(connection, stream), columns.seconds == seconds)
    first: int | None = connection.scalar(
        select(func.min(columns.start)).where(*mine, columns.layout == layout)
    )
    return first


def delete_sums(connection: Connection, stream: Stream, windows: Iterable[Window]) -> None:
    """Delete the profiles of longer windows that cover these, because they changed: in one step for each, since
    SQLite's driver lets go of the interpreter at every step and has to wait for it again.
    """
    number = register.find(connection, stream)
    rows: list[dict[str, Any]] = []
    for window in windows:
        values: dict[str, Any] = {"stream": number}
        for n in _LENGTHS:
            length = window.seconds << n
            values |= {f"seconds{n}": length, f"start{n}": window.start // length * length}
        rows.append(values)
    _DELETE_SUMS.run_for_each(connection, rows)


def delete_all(connection: Connection, stream: Stream, start: float, end: float) -> None:
    """Delete every profile that overlaps `[start, end)`, before the rows are counted again."""
    columns = PROFILES.c
    overlaps = (columns.start < whole(end), columns.start + columns.seconds > whole(start, math.floor))
    connection.execute(delete(PROFILES).where(columns.stream == register.find(connection, stream), *overlaps))


def _key(number: int | None, window: Window) -> dict[str, Any]:
    return {"stream": number, "seconds": window.seconds, "start": window.start}


def _inside(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float
) -> tuple[Any, ...]:
    columns = PROFILES.c
    mine = columns.stream == register.find(connection, stream)
    inside = (columns.start >= whole(start), columns.start <= whole(end, math.floor) - seconds)
    return mine, columns.seconds == seconds, *inside


def _stored(row: Row[Any]) -> StoredProfile:
    return StoredProfile(Window(row.start, row.start + row.seconds), row.layout, row.rows, bytes(row.blob))
