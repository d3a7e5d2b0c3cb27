"""Measurements of windows: two blobs a window and stream, headline figures apart from those of single features.

A blob holds six numbers for each measurement: value, n, low, high, p-value, baseline (float64, NaN where there is
none). Which measurements those are is its `shape` (metric, labels, unit, direction of each), which is the same from
window to window and so is written once. A series is then one number from each blob.
"""

import hashlib
from collections.abc import Collection, Sequence
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
    delete,
    func,
    select,
)

from monitor.block import (
    BASELINE,
    FIGURES,
    HIGH,
    LOW,
    VALUE,
    Block,
    N,
    Name,
    Shape,
    block_of,
)
from monitor.records import Labels, Measurement, Stream, Window
from monitor.store import predictions
from monitor.store.db import metadata
from monitor.store.prepared import PreparedInsert, PreparedReplace

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

HEADLINE, DETAIL, SLOW = 0, 1, 2
_DETAILED = frozenset({"feature", "output", "segment", "class", "version", "against"})


_PUT = PreparedReplace(MEASUREMENTS, ("stream", "seconds", "part", "start"))
_PUT_SHAPE = PreparedInsert(SHAPES)


@dataclass(frozen=True, slots=True)
class _Part:
    """The places of a shape that stand in one blob, and the shape of these."""

    number: int
    places: np.ndarray
    id: str
    raw: bytes


_PARTS: WeakKeyDictionary[Shape, tuple[_Part, ...]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One figure over time: arrays of one length. `values`, `low` and `high` are NaN where not measured."""

    starts: np.ndarray
    values: np.ndarray
    n: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seconds: int = 0

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One figure over time with all that rules need: arrays of one length, NaN where there is nothing."""

    starts: np.ndarray
    values: np.ndarray
    n: np.ndarray
    low: np.ndarray
    high: np.ndarray
    baseline: np.ndarray
    seconds: int
    unit: str


def put(
    connection: Connection,
    stream: Stream,
    window: Window,
    measurements: Sequence[Measurement],
    now: float = 0.0,
) -> None:
    """Write the measurements of a window in place of what was there."""
    block = _block(stream, window, measurements)
    parts = _PARTS.get(block.shape)
    if parts is None:
        parts = _PARTS[block.shape] = _parts(block.shape)
    at = _key(connection, stream, window, now)
    _PUT.run(connection, [at | {"part": part.number} | _written(connection, block, part) for part in parts])


def put_slow(
    connection: Connection, stream: Stream, window: Window, found: Sequence[Measurement], now: float
) -> None:
    """Write measurements that are made apart from the others of a window, in place of earlier ones of that kind."""
    block = _block(stream, window, found)
    part = _part(SLOW, block.shape, range(len(block)))
    at = _key(connection, stream, window, now)
    _PUT.run(connection, [at | {"part": SLOW} | _written(connection, block, part)])


def has_slow(connection: Connection, stream: Stream, window: Window) -> bool:
    """Were the slow measurements of a window made?"""
    columns = MEASUREMENTS.c
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == window.seconds)
    here = (columns.part == SLOW, columns.start == window.start)
    return connection.scalar(select(columns.start).where(*mine, *here)) is not None


def latest(connection: Connection, stream: Stream, seconds: int) -> list[Measurement]:
    """Every measurement of the newest measured window of this length."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == seconds)
    start = connection.scalar(select(func.max(columns.start)).where(*mine))
    return [] if start is None else of_window(connection, stream, Window(start, start + seconds))


def of_window(connection: Connection, stream: Stream, window: Window) -> list[Measurement]:
    """Every measurement of one window."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == window.seconds)
    query = select(columns.shape, columns.figures, columns.reasons).where(
        *mine, columns.start == window.start
    )
    found: list[Measurement] = []
    for shape, figures, reasons in connection.execute(query.order_by(columns.part)):
        table = np.frombuffer(figures, np.float64).reshape(-1, FIGURES)
        told = msgspec.msgpack.decode(reasons, type=dict[int, str]) if reasons else {}
        found += Block(stream, window, _stored_shape(connection, shape), table, told)
    return found


def series(
    connection: Connection,
    stream: Stream,
    metric: str,
    seconds: int,
    start: float,
    end: float,
    labels: Labels = (),
) -> Series:
    """One metric over the windows of this length that begin in `[start, end)`, in order of time."""
    columns = MEASUREMENTS.c
    part = _part_of(labels)
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == seconds)
    inside = (columns.part.in_((part, SLOW)), columns.start >= int(start), columns.start < end)
    query = select(columns.start, columns.shape, columns.figures).where(*mine, *inside)
    starts: list[int] = []
    picked: list[tuple[float, ...]] = []
    places: dict[str, int | None] = {}
    for at, shape, figures in connection.execute(query.order_by(columns.start)):
        if shape not in places:
            places[shape] = _place(_stored_shape(connection, shape), metric, labels)
        place = places[shape]
        if place is not None:
            starts.append(at)
            picked.append(tuple(np.frombuffer(figures, np.float64, FIGURES, place * FIGURES * 8).tolist()))
    table = np.array(picked, np.float64).reshape(-1, FIGURES)
    return Series(
        np.array(starts, np.int64), table[:, VALUE], table[:, N], table[:, LOW], table[:, HIGH], seconds
    )


def has_any(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> bool:
    """Was any window of this length measured that begins in `[start, end)`?"""
    columns = MEASUREMENTS.c
    mine = (columns.stream == predictions.find(connection, stream), columns.seconds == seconds)
    inside = (columns.start >= int(start), columns.start < end)
    return connection.scalar(select(columns.start).where(*mine, *inside).limit(1)) is not None


def columns(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float, metrics: Collection[str]
) -> dict[tuple[str, Labels], Columns]:
    """Some metrics, with every label they carry, over the windows that begin in `[start, end)`, in order."""
    c = MEASUREMENTS.c
    query = select(c.start, c.shape, c.figures).where(
        c.stream == predictions.find(connection, stream),
        c.seconds == seconds,
        c.start >= int(start),
        c.start < end,
    )
    blocks: dict[str, tuple[list[int], list[bytes]]] = {}
    for at, shape, figures in connection.execute(query.order_by(c.part, c.start)).fetchall():
        starts, blobs = blocks.setdefault(shape, ([], []))
        starts.append(at)
        blobs.append(figures)
    found: dict[tuple[str, Labels], list[tuple[np.ndarray, np.ndarray, str]]] = {}
    for shape, (starts, blobs) in blocks.items():
        names = _stored_shape(connection, shape).names
        table = np.frombuffer(b"".join(blobs), np.float64).reshape(-1, len(names), FIGURES)
        for place, name in enumerate(names):
            if name.metric in metrics:
                part = (np.array(starts, np.int64), table[:, place].copy(), name.unit)
                found.setdefault((name.metric, name.labels), []).append(part)
    return {key: _joined(parts, seconds) for key, parts in found.items()}


def _joined(parts: list[tuple[np.ndarray, np.ndarray, str]], seconds: int) -> Columns:
    starts = np.concatenate([part[0] for part in parts])
    table = np.concatenate([part[1] for part in parts])
    order = np.argsort(starts, kind="stable")
    starts, table = starts[order], table[order]
    return Columns(
        starts, table[:, VALUE], table[:, N], table[:, LOW], table[:, HIGH], table[:, BASELINE],
        seconds, parts[0][2],
    )  # fmt: skip


def names(connection: Connection, stream: Stream, seconds: int) -> list[tuple[str, Labels]]:
    """Which metrics with which labels the newest window of this length has."""
    return [(m.metric, m.labels) for m in latest(connection, stream, seconds)]


def delete_before(connection: Connection, before: float) -> int:
    """Delete the measurements of windows that ended by `before`."""
    columns = MEASUREMENTS.c
    return connection.execute(delete(MEASUREMENTS).where(columns.start + columns.seconds <= before)).rowcount


def _key(connection: Connection, stream: Stream, window: Window, now: float) -> dict[str, Any]:
    number = predictions.key(connection, stream, now)
    return {"stream": number, "seconds": window.seconds, "start": window.start}


def _block(stream: Stream, window: Window, measurements: Sequence[Measurement]) -> Block:
    return measurements if isinstance(measurements, Block) else block_of(stream, window, measurements)


def _parts(shape: Shape) -> tuple[_Part, ...]:
    """What of a shape stands in which blob."""
    places: dict[int, list[int]] = {HEADLINE: [], DETAIL: []}
    for place, name in enumerate(shape.names):
        places[_part_of(name.labels)].append(place)
    return tuple(_part(number, shape, own) for number, own in places.items() if own)


def _part(number: int, shape: Shape, places: Sequence[int]) -> _Part:
    raw = msgspec.msgpack.encode([shape.names[place] for place in places])
    return _Part(number, np.array(places, np.int64), hashlib.sha256(raw).hexdigest()[:16], raw)


def _part_of(labels: Labels) -> int:
    return DETAIL if any(name in _DETAILED for name, _ in labels) else HEADLINE


def _written(connection: Connection, block: Block, part: _Part) -> dict[str, Any]:
    """The columns of a row that hold the measurements; the shape is written once."""
    _PUT_SHAPE.run(connection, [{"id": part.id, "blob": part.raw}])
    reasons: dict[int, str] = {}
    if block.reasons:
        told = map(block.reasons.get, part.places.tolist())
        reasons = {index: reason for index, reason in enumerate(told) if reason}
    return {
        "shape": part.id,
        "figures": block.figures[part.places].tobytes(),
        "reasons": msgspec.msgpack.encode(reasons) if reasons else b"",
    }


def _stored_shape(connection: Connection, identity: str) -> Shape:
    blob = connection.scalar(select(SHAPES.c.blob).where(SHAPES.c.id == identity))
    return _decoded(bytes(blob)) if blob is not None else Shape(())


@lru_cache(maxsize=512)
def _decoded(blob: bytes) -> Shape:
    return Shape(msgspec.msgpack.decode(blob, type=tuple[Name, ...]))


def _place(shape: Shape, metric: str, labels: Labels) -> int | None:
    places = shape.by_metric.get(metric, ())
    return next((place for place in places if shape.names[place].labels == labels), None)
