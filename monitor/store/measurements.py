"""Measurements of windows: per window and stream one blob of headline figures and one of figures per feature.

A blob holds six numbers for each measurement: value, n, low, high, p-value, baseline (float64, NaN where there is
none). Which measurements those are is its `shape` (metric, labels, unit, direction of each), which is the same from
window to window and so is written once. `monitor.store.timeseries` reads one figure over time from them.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    select,
)

from monitor.measurement_table import FIGURES, MeasurementName, MeasurementTable, TableSchema, table_of
from monitor.records import Labels, Measurement, Stream, Window
from monitor.store import streams
from monitor.store.checksums import reading, seal, unseal
from monitor.store.db import faults_of, metadata, whole
from monitor.store.prepared_statements import prepared_upsert
from monitor.store.retention import Aged
from monitor.store.rows import FARTHEST, blob
from monitor.store.shared_content import SharedContent

_AT_ONCE = 500
"""Streams that one query asks for."""

SHAPES = Table(
    "measurement_shapes",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

MEASUREMENTS = Table(
    "measurements",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("shape", String(16), nullable=False),
    Column("figures", LargeBinary, nullable=False),
    Column("reasons", LargeBinary, nullable=False),
)

AGED = Aged(MEASUREMENTS, ("stream", "seconds", "part"))

PARTS = HEADLINE, DETAIL, SLOW = 0, 1, 2
"""The kinds of blob. Every query names them, because `part` precedes `start` in the key."""
_DETAILED = frozenset({"feature", "output", "segment", "class", "version", "against", "group"})


_PUT = prepared_upsert(MEASUREMENTS, ("stream", "seconds", "part", "start"))
_SHAPES = SharedContent(SHAPES)


@dataclass(frozen=True, slots=True)
class _Part:
    """The measurements of a schema that are stored in one blob: their places, and the stored schema of these."""

    number: int
    places: np.ndarray
    id: str
    raw: bytes


_PARTS: WeakKeyDictionary[TableSchema, tuple[_Part, ...]] = WeakKeyDictionary()


def put(
    connection: Connection,
    stream: Stream,
    window: Window,
    measurements: Sequence[Measurement],
    now: float = 0.0,
) -> None:
    """Insert or replace the measurements of a window."""
    put_for_streams(connection, [(stream, window, measurements)], now)


def put_for_streams(
    connection: Connection, measured: Iterable[tuple[Stream, Window, Sequence[Measurement]]], now: float
) -> None:
    """Insert or replace the measurements of windows of several streams."""
    rows, schemas = list[dict[str, Any]](), dict[str, bytes]()
    for stream, window, measurements in measured:
        block = _block(stream, window, measurements)
        parts = _PARTS.get(block.shape)
        if parts is None:
            parts = _PARTS[block.shape] = _parts(block.shape)
        at = _key(connection, stream, window, now)
        rows += [at | {"part": part.number} | _written(block, part) for part in parts]
        schemas |= {part.id: part.raw for part in parts}
    for identity, raw in schemas.items():  # each once
        _SHAPES.put(connection, identity, raw)
    _PUT.run_for_each(connection, rows)


def put_slow(
    connection: Connection, stream: Stream, window: Window, measurements: Sequence[Measurement], now: float
) -> None:
    """Insert or replace the measurements of a window that are made separately because they are slow."""
    block = _block(stream, window, measurements)
    part = _part(SLOW, block.shape, range(len(block)))
    at = _key(connection, stream, window, now)
    _SHAPES.put(connection, part.id, part.raw)
    _PUT.run_for_each(connection, [at | {"part": SLOW} | _written(block, part)])


def with_slow(connection: Connection, windows: Mapping[Stream, Window]) -> set[Stream]:
    """The streams of which the slow measurements of their window are stored; one query for 500 streams."""
    numbers = {number: one for one in windows if (number := streams.find(connection, one)) is not None}
    alike: dict[Window, list[int]] = {}
    for number, stream in numbers.items():
        alike.setdefault(windows[stream], []).append(number)
    found, columns = set[Stream](), MEASUREMENTS.c
    for window, mine in alike.items():
        here = (columns.seconds == window.seconds, columns.part == SLOW, columns.start == window.start)
        for at in range(0, len(mine), _AT_ONCE):
            query = select(columns.stream).where(columns.stream.in_(mine[at : at + _AT_ONCE]), *here)
            found |= {numbers[number] for number in connection.scalars(query)}
    return found


def latest(connection: Connection, stream: Stream, seconds: int) -> list[Measurement]:
    """Every measurement of the newest measured window of this length."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == streams.find(connection, stream), columns.seconds == seconds)
    newest = select(func.max(columns.start)).where(
        *mine, columns.start < FARTHEST
    )  # a text is larger, in SQLite
    parts = (newest.where(columns.part == part).scalar_subquery() for part in (HEADLINE, DETAIL))
    starts = [start for start in connection.execute(select(*parts)).one() if start is not None]
    return of_window(connection, stream, Window(max(starts), max(starts) + seconds)) if starts else []


def of_window(
    connection: Connection, stream: Stream, window: Window, parts: Collection[int] = PARTS
) -> list[Measurement]:
    """Every measurement of one window, or those in some of the blobs (`HEADLINE`, `DETAIL`, `SLOW`)."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == streams.find(connection, stream), columns.seconds == window.seconds)
    here = (columns.part.in_(parts), columns.start == window.start)
    query = select(columns.shape, columns.figures, columns.reasons).where(*mine, *here)
    measurements: list[Measurement] = []
    faults = faults_of(connection)
    for shape, figures, reasons in connection.execute(query.order_by(columns.part)):
        with faults.isolate("measurements", f"{stream} {window.start}"):
            schema = stored_shape(connection, shape)
            decoded = msgspec.msgpack.decode(unseal(reasons), type=dict[int, str]) if reasons else {}
            measurements += list(
                MeasurementTable(stream, window, schema, figures_of(figures, schema), decoded)
            )
    return measurements


def figures_of(stored: bytes, schema: TableSchema) -> np.ndarray:
    """The figures of a row, shape (measurements, figures).

    Raises:
        DamageError: the bytes have changed since they were written.
    """
    with reading("a row of measurements"):
        return np.frombuffer(unseal(stored), np.float64).reshape(len(schema.names), FIGURES)


def has_any(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> bool:
    """Whether any window of this length that begins in `[start, end)` is measured."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == streams.find(connection, stream), columns.seconds == seconds)
    inside = (columns.part.in_(PARTS), columns.start >= int(start), columns.start < whole(end))
    return connection.scalar(select(columns.start).where(*mine, *inside).limit(1)) is not None


def first(connection: Connection, stream: Stream, seconds: int) -> int | None:
    """The start of the oldest measured window of this length; None if there is none."""
    return first_starts(connection, [stream], seconds).get(stream)


def first_starts(connection: Connection, some: Collection[Stream], seconds: int) -> dict[Stream, int]:
    """The start of the oldest measured window of this length, of those of the streams that have one."""
    columns, starts = MEASUREMENTS.c, dict[Stream, int]()
    numbers = {number: one for one in some if (number := streams.find(connection, one)) is not None}
    for at in range(0, len(numbers), _AT_ONCE):
        mine = columns.stream.in_(list(numbers)[at : at + _AT_ONCE])
        query = select(columns.stream, func.min(columns.start)).group_by(columns.stream)
        query = query.where(mine, columns.seconds == seconds, columns.part == HEADLINE)
        starts |= {numbers[number]: start for number, start in connection.execute(query)}
    return starts


def names(connection: Connection, stream: Stream, seconds: int) -> list[tuple[str, Labels]]:
    """The metrics of the newest window of this length, with their labels."""
    return [(m.metric, m.labels) for m in latest(connection, stream, seconds)]


def _key(connection: Connection, stream: Stream, window: Window, now: float) -> dict[str, Any]:
    number = streams.key(connection, stream, now)
    return {"stream": number, "seconds": window.seconds, "start": window.start}


def _block(stream: Stream, window: Window, measurements: Sequence[Measurement]) -> MeasurementTable:
    return (
        measurements if isinstance(measurements, MeasurementTable) else table_of(stream, window, measurements)
    )


def _parts(shape: TableSchema) -> tuple[_Part, ...]:
    """Divide a schema among the blobs."""
    places: dict[int, list[int]] = {HEADLINE: [], DETAIL: []}
    for place, name in enumerate(shape.names):
        places[part_of(name.labels)].append(place)
    return tuple(_part(number, shape, own) for number, own in places.items() if own)


def _part(number: int, shape: TableSchema, places: Sequence[int]) -> _Part:
    raw = msgspec.msgpack.encode([shape.names[place] for place in places])
    return _Part(number, np.array(places, np.int64), _identity(raw), raw)


def part_of(labels: Labels) -> int:
    """The blob that holds a measurement with these labels."""
    return DETAIL if any(name in _DETAILED for name, _ in labels) else HEADLINE


def _written(block: MeasurementTable, part: _Part) -> dict[str, Any]:
    """The columns of a row that hold the measurements."""
    reasons: dict[int, str] = {}
    if block.reasons:
        of_part = map(block.reasons.get, part.places.tolist())
        reasons = {index: reason for index, reason in enumerate(of_part) if reason}
    return {
        "shape": part.id,
        "figures": seal(block.figures[part.places].tobytes()),
        "reasons": seal(msgspec.msgpack.encode(reasons)) if reasons else b"",
    }


def stored_shape(connection: Connection, identity: str) -> TableSchema:
    """The schema of stored figures.

    Raises:
        DamageError: it is missing or damaged.
    """
    stored = connection.scalar(select(SHAPES.c.blob).where(SHAPES.c.id == identity))
    with reading(f"the schema {identity} of measurements"):
        if stored is None:
            raise KeyError(identity)
        return _decoded(identity, blob(stored))


@lru_cache(maxsize=512)
def _decoded(identity: str, raw: bytes) -> TableSchema:
    if _identity(raw) != identity:
        msg = "its bytes have changed since they were written"
        raise ValueError(msg)
    return TableSchema(msgspec.msgpack.decode(raw, type=tuple[MeasurementName, ...]))


def _identity(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]
