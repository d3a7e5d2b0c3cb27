"""Measurements of windows: two blobs a window and stream, headline figures apart from those of single features.

A blob holds six numbers for each measurement: value, n, low, high, p-value, baseline (float64, NaN where there is
none). Which measurements those are is its `shape` (metric, labels, unit, direction of each), which is the same from
window to window and so is written once. `monitor.store.timeseries` reads one figure over time from them.
"""

import hashlib
from collections.abc import Sequence
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

from monitor.block import FIGURES, Block, Name, Shape, block_of
from monitor.records import Labels, Measurement, Stream, Window
from monitor.store import register
from monitor.store.ageing import Aged
from monitor.store.db import metadata, whole
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

AGED = Aged(MEASUREMENTS, ("stream", "seconds", "part"))

PARTS = HEADLINE, DETAIL, SLOW = 0, 1, 2
"""Named in every query: the part stands before the start in the key."""
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
    mine = (columns.stream == register.find(connection, stream), columns.seconds == window.seconds)
    here = (columns.part == SLOW, columns.start == window.start)
    return connection.scalar(select(columns.start).where(*mine, *here)) is not None


def latest(connection: Connection, stream: Stream, seconds: int) -> list[Measurement]:
    """Every measurement of the newest measured window of this length."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == register.find(connection, stream), columns.seconds == seconds)
    newest = select(func.max(columns.start)).where(*mine)
    parts = (newest.where(columns.part == part).scalar_subquery() for part in (HEADLINE, DETAIL))
    starts = [start for start in connection.execute(select(*parts)).one() if start is not None]
    return of_window(connection, stream, Window(max(starts), max(starts) + seconds)) if starts else []


def of_window(connection: Connection, stream: Stream, window: Window) -> list[Measurement]:
    """Every measurement of one window."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == register.find(connection, stream), columns.seconds == window.seconds)
    here = (columns.part.in_(PARTS), columns.start == window.start)
    query = select(columns.shape, columns.figures, columns.reasons).where(*mine, *here)
    found: list[Measurement] = []
    for shape, figures, reasons in connection.execute(query.order_by(columns.part)):
        table = np.frombuffer(figures, np.float64).reshape(-1, FIGURES)
        told = msgspec.msgpack.decode(reasons, type=dict[int, str]) if reasons else {}
        found += Block(stream, window, stored_shape(connection, shape), table, told)
    return found


def has_any(connection: Connection, stream: Stream, seconds: int, start: float, end: float) -> bool:
    """Was any window of this length measured that begins in `[start, end)`?"""
    columns = MEASUREMENTS.c
    mine = (columns.stream == register.find(connection, stream), columns.seconds == seconds)
    inside = (columns.part.in_(PARTS), columns.start >= int(start), columns.start < whole(end))
    return connection.scalar(select(columns.start).where(*mine, *inside).limit(1)) is not None


def first(connection: Connection, stream: Stream, seconds: int) -> int | None:
    """When the oldest measured window of this length began; None where none was measured."""
    columns = MEASUREMENTS.c
    mine = (columns.stream == register.find(connection, stream), columns.seconds == seconds)
    found: int | None = connection.scalar(
        select(func.min(columns.start)).where(*mine, columns.part == HEADLINE)
    )
    return found


def names(connection: Connection, stream: Stream, seconds: int) -> list[tuple[str, Labels]]:
    """Which metrics with which labels the newest window of this length has."""
    return [(m.metric, m.labels) for m in latest(connection, stream, seconds)]


def _key(connection: Connection, stream: Stream, window: Window, now: float) -> dict[str, Any]:
    number = register.key(connection, stream, now)
    return {"stream": number, "seconds": window.seconds, "start": window.start}


def _block(stream: Stream, window: Window, measurements: Sequence[Measurement]) -> Block:
    return measurements if isinstance(measurements, Block) else block_of(stream, window, measurements)


def _parts(shape: Shape) -> tuple[_Part, ...]:
    """What of a shape stands in which blob."""
    places: dict[int, list[int]] = {HEADLINE: [], DETAIL: []}
    for place, name in enumerate(shape.names):
        places[part_of(name.labels)].append(place)
    return tuple(_part(number, shape, own) for number, own in places.items() if own)


def _part(number: int, shape: Shape, places: Sequence[int]) -> _Part:
    raw = msgspec.msgpack.encode([shape.names[place] for place in places])
    return _Part(number, np.array(places, np.int64), hashlib.sha256(raw).hexdigest()[:16], raw)


def part_of(labels: Labels) -> int:
    """In which blob a measurement with these labels stands."""
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


def stored_shape(connection: Connection, identity: str) -> Shape:
    """The shape under which figures were written."""
    blob = connection.scalar(select(SHAPES.c.blob).where(SHAPES.c.id == identity))
    return _decoded(bytes(blob)) if blob is not None else Shape(())


@lru_cache(maxsize=512)
def _decoded(blob: bytes) -> Shape:
    return Shape(msgspec.msgpack.decode(blob, type=tuple[Name, ...]))
