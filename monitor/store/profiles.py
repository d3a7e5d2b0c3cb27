"""Profiles of windows as bytes: base windows, and sums of base windows, of which longer windows are composed.

The natural key is stream, length and start. `monitor.windows.codec` reads the bytes.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
from monitor.store import streams
from monitor.store.db import metadata, sqlite_driver, whole
from monitor.store.prepared_statements import Prepared, prepared_upsert
from monitor.store.retention import Aged
from monitor.store.rows import blob

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
_GET_OF_SOME = """\
SELECT profiles.* FROM unnest(%(streams)s::bigint[], %(seconds)s::bigint[], %(starts)s::bigint[])
AS wanted(stream, seconds, start) JOIN profiles ON profiles.stream = wanted.stream
AND profiles.seconds = wanted.seconds::integer AND profiles.start = wanted.start"""
_DELETE_OF_SOME = """\
DELETE FROM profiles USING unnest(%(streams)s::bigint[], %(seconds)s::bigint[], %(starts)s::bigint[])
AS gone(stream, seconds, start) WHERE profiles.stream = gone.stream
AND profiles.seconds = gone.seconds::integer AND profiles.start = gone.start"""
_PUT = prepared_upsert(PROFILES, ("stream", "seconds", "start"))
_LENGTHS = tuple(range(1, 25))
"""How often a base window is doubled in the longest sum."""
_LONGEST = 2**31 - 1
"""The largest length in seconds that PostgreSQL's integer column holds or can be compared with."""
# Each part names the whole key: otherwise SQLite scans the index of all windows of the stream.
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
# One index look-up per end: both in one select would read all windows between them.
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
    """A stored profile; `blob` is its encoded form."""

    window: Window
    layout: str
    rows: int
    blob: bytes


def put(connection: Connection, stream: Stream, written: Iterable[StoredProfile], now: float) -> None:
    """Insert or replace the profiles of windows."""
    put_for_streams(connection, {stream: list(written)}, now)


def put_for_streams(
    connection: Connection, written: Mapping[Stream, Sequence[StoredProfile]], now: float
) -> None:
    """Insert or replace the profiles of windows of several streams."""
    rows = []
    for stream, some in written.items():
        number = streams.key(connection, stream, now)
        rows += [row_of(number, profile) for profile in some]
    _PUT.run_for_each(connection, rows)


def get(connection: Connection, stream: Stream, window: Window) -> StoredProfile | None:
    """The profile of exactly this window."""
    rows = _GET.rows(connection, _key(streams.find(connection, stream), window))
    return stored(rows[0]) if rows else None


def read_ahead(connection: Connection, wanted: Mapping[Stream, Iterable[Window]]) -> None:
    """Read what `get` gives of each of these windows."""
    numbers = {stream: streams.find(connection, stream) for stream in wanted}
    values = [_key(numbers[stream], window) for stream, windows in wanted.items() for window in windows]
    _GET.read_ahead(connection, [value for value in values if value["stream"] is not None])


def get_some(connection: Connection, stream: Stream, windows: Sequence[Window]) -> list[StoredProfile]:
    """The stored profiles of exactly these windows, in any order; one statement per dozen."""
    number, profiles = streams.find(connection, stream), []
    for at in range(0, len(windows), _AT_ONCE):
        some = windows[at : at + _AT_ONCE]
        values: dict[str, Any] = {"stream": number}
        for n in range(_AT_ONCE):
            window = some[min(n, len(some) - 1)]  # a repeated key yields one row
            values |= {f"seconds{n}": window.seconds, f"start{n}": window.start}
        profiles += [stored(row) for row in _GET_SOME.rows(connection, values)]
    return profiles


def get_of_some(
    connection: Connection, keys: Collection[tuple[Stream, Window]]
) -> dict[tuple[Stream, Window], StoredProfile]:
    """Those of these profiles of several streams that are stored: in one statement on PostgreSQL."""
    by_stream: dict[Stream, list[Window]] = {}
    for stream, window in keys:
        by_stream.setdefault(stream, []).append(window)
    if sqlite_driver(connection) is not None:
        some = {stream: get_some(connection, stream, windows) for stream, windows in by_stream.items()}
        return {(stream, one.window): one for stream, found in some.items() for one in found}
    known = {number: one for one in by_stream if (number := streams.find(connection, one)) is not None}
    wanted = [(number, window) for number, one in known.items() for window in by_stream[one]]
    values = {
        "streams": [number for number, _ in wanted],
        "seconds": [window.seconds for _, window in wanted],
        "starts": [window.start for _, window in wanted],
    }
    rows = connection.exec_driver_sql(_GET_OF_SOME, values) if wanted else ()
    return {(known[row.stream], one.window): one for row in rows for one in [stored(row)]}


def between(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float
) -> Iterator[StoredProfile]:
    """The profiles of windows of this length that lie inside `[start, end]`, in order of time."""
    rows = connection.execute(
        select(PROFILES).where(*_inside(connection, stream, seconds, start, end)).order_by("start")
    )
    for row in rows:
        yield stored(row)


def starts(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> list[int]:
    """The starts of the stored windows of this length inside `[start, end]`, in order."""
    number = streams.find(connection, stream)
    inside = {"stream": number, "seconds": seconds, "first": start, "last": end - seconds}
    return [int(row[0]) for row in _STARTS.rows(connection, inside)]


def read_starts_ahead(connection: Connection, spans: Mapping[Stream, Window], seconds: int) -> None:
    """Read what `starts` gives of each of these streams."""
    _STARTS.read_ahead(
        connection,
        [
            {"stream": number, "seconds": seconds, "first": span.start, "last": span.end - seconds}
            for stream, span in spans.items()
            if (number := streams.find(connection, stream)) is not None
        ],
    )


def counted(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float, layout: str
) -> list[tuple[int, int]]:
    """(start, rows) of the windows of this length inside `[start, end]` that were counted by `layout`, in order.

    Reads no profiles.
    """
    columns = (PROFILES.c.start, PROFILES.c.rows)
    mine = (*_inside(connection, stream, seconds, start, end), PROFILES.c.layout == layout)
    rows = connection.execute(select(*columns).where(*mine).order_by(PROFILES.c.start))
    return [(int(row[0]), int(row[1])) for row in rows]


def of_others(
    connection: Connection,
    stream: Stream,
    seconds: int,
    layout: str,
    start: float = -math.inf,
    end: float = math.inf,
) -> list[int]:
    """The starts of the windows of this length inside `[start, end]` that were counted by another layout, in order."""
    columns = PROFILES.c
    mine = (columns.stream == streams.find(connection, stream), columns.seconds == seconds)
    inside = [columns.start >= whole(start)] if math.isfinite(start) else []
    inside += [columns.start <= whole(end, math.floor) - seconds] if math.isfinite(end) else []
    query = select(columns.start).where(*mine, *inside, columns.layout != layout).order_by(columns.start)
    return [int(value) for value in connection.scalars(query)]


def rows_within(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> int:
    """The number of rows of the windows of this length inside `[start, end]`, without reading their profiles."""
    inside = _inside(connection, stream, seconds, start, end)
    return int(connection.scalar(select(func.coalesce(func.sum(PROFILES.c.rows), 0)).where(*inside)) or 0)


def extent(connection: Connection, stream: Stream, seconds: int) -> tuple[int, int] | None:
    """The start of the first and end of the last window of this length; None if there is none."""
    here = {"stream": streams.find(connection, stream), "seconds": seconds}
    ((first, last),) = _EXTENT.rows(connection, here)
    return None if first is None else (int(first), int(last) + seconds)


def first_of(connection: Connection, stream: Stream, seconds: int, layout: str) -> int | None:
    """The start of the first window of this length that was counted by this layout; None if there is none."""
    columns = PROFILES.c
    mine = (columns.stream == streams.find(connection, stream), columns.seconds == seconds)
    first: int | None = connection.scalar(
        select(func.min(columns.start)).where(*mine, columns.layout == layout)
    )
    return first


def delete_sums(connection: Connection, changed: Mapping[Stream, Iterable[Window]]) -> None:
    """Delete the sums that cover these base windows, because they have changed.

    One statement per window: SQLite's driver releases the GIL at each statement, and has to wait for it again. One for
    all on PostgreSQL.
    """
    sums = {(streams.find(connection, one), window) for one, some in changed.items() for window in some}
    covering = {key: [_doubled(key[1], n) for n in _LENGTHS] for key in sums}
    if sqlite_driver(connection) is None:
        keys = sorted({(number, *sum_) for (number, _), some in covering.items() for sum_ in some if number})
        _, lengths, starts = zip(*keys, strict=True) if keys else ((), (), ())
        arrays = {"streams": [key[0] for key in keys], "seconds": list(lengths), "starts": list(starts)}
        if keys:
            connection.exec_driver_sql(_DELETE_OF_SOME, arrays)
        return
    rows = [
        {"stream": number}
        | {f"seconds{n}": length for n, (length, _) in zip(_LENGTHS, some, strict=True)}
        | {f"start{n}": start for n, (_, start) in zip(_LENGTHS, some, strict=True)}
        for (number, _), some in covering.items()
    ]
    _DELETE_SUMS.run_for_each(connection, rows)


def _doubled(window: Window, times: int) -> tuple[int, int]:
    """Length and start of the sum that holds a base window, so many times as long in powers of two."""
    length = min(window.seconds << times, window.seconds * (_LONGEST // window.seconds))
    return length, window.start // length * length


def delete_all(connection: Connection, stream: Stream, start: float, end: float) -> None:
    """Delete every profile that overlaps `[start, end)`, before the rows are counted again."""
    columns = PROFILES.c
    overlaps = (columns.start < whole(end), columns.start + columns.seconds > whole(start, math.floor))
    connection.execute(delete(PROFILES).where(columns.stream == streams.find(connection, stream), *overlaps))


def row_of(number: int, profile: StoredProfile) -> dict[str, Any]:
    """A profile as a row; `number` is that of the stream."""
    rest = {"layout": profile.layout, "rows": profile.rows, "blob": profile.blob}
    return _key(number, profile.window) | rest


def _key(number: int | None, window: Window) -> dict[str, Any]:
    return {"stream": number, "seconds": window.seconds, "start": window.start}


def _inside(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float
) -> tuple[Any, ...]:
    columns = PROFILES.c
    mine = columns.stream == streams.find(connection, stream)
    inside = (columns.start >= whole(start), columns.start <= whole(end, math.floor) - seconds)
    return mine, columns.seconds == seconds, *inside


def stored(row: Row[Any]) -> StoredProfile:
    """A row as a profile."""
    return StoredProfile(Window(row.start, row.start + row.seconds), row.layout, row.rows, blob(row.blob))
