"""Measurements of windows: two blobs a window and stream, headline figures apart from those of single features.

A blob holds six numbers for each measurement: value, n, low, high, p-value, baseline (float64, NaN where there is
none). Which measurements those are is its `shape` (metric, labels, unit, direction of each), which is the same from
window to window and so is written once. A series is then one number from each blob.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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

from monitor.records import Better, Labels, Measurement, Stream, Window
from monitor.store import predictions
from monitor.store.db import metadata
from monitor.store.upsert import insert_new, replace

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
_DETAILED = frozenset({"feature", "output", "segment", "class", "version"})
_FIGURES = 6
_VALUE, _N, _LOW, _HIGH, _P_VALUE, _BASELINE = range(_FIGURES)


class _Item(msgspec.Struct, array_like=True, frozen=True):
    metric: str
    labels: Labels
    unit: str
    better: str


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
    number = predictions.key(connection, stream, now)
    rows = []
    for part in (HEADLINE, DETAIL):
        own = [m for m in measurements if _part(m) == part]
        if not own:
            continue
        at = {"stream": number, "seconds": window.seconds, "part": part, "start": window.start}
        rows.append(at | _written(connection, own))
    for row in rows:
        replace(connection, MEASUREMENTS, [row], ("stream", "seconds", "part", "start"))


def put_slow(
    connection: Connection, stream: Stream, window: Window, found: Sequence[Measurement], now: float
) -> None:
    """Write measurements that are made apart from the others of a window, in place of earlier ones of that kind."""
    row: dict[str, Any] = {
        "stream": predictions.key(connection, stream, now),
        "seconds": window.seconds,
        "part": SLOW,
        "start": window.start,
    } | _written(connection, found)
    replace(connection, MEASUREMENTS, [row], ("stream", "seconds", "part", "start"))


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
        found += _measurements(stream, window, _items(connection, shape), bytes(figures), bytes(reasons))
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
            places[shape] = _place(_items(connection, shape), metric, labels)
        place = places[shape]
        if place is not None:
            starts.append(at)
            picked.append(tuple(np.frombuffer(figures, np.float64, _FIGURES, place * _FIGURES * 8).tolist()))
    table = np.array(picked, np.float64).reshape(-1, _FIGURES)
    return Series(
        np.array(starts, np.int64), table[:, _VALUE], table[:, _N], table[:, _LOW], table[:, _HIGH], seconds
    )


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
        items = _items(connection, shape)
        table = np.frombuffer(b"".join(blobs), np.float64).reshape(-1, len(items), _FIGURES)
        for place, item in enumerate(items):
            if item.metric in metrics:
                part = (np.array(starts, np.int64), table[:, place].copy(), item.unit)
                found.setdefault((item.metric, item.labels), []).append(part)
    return {key: _joined(parts, seconds) for key, parts in found.items()}


def _joined(parts: list[tuple[np.ndarray, np.ndarray, str]], seconds: int) -> Columns:
    starts = np.concatenate([part[0] for part in parts])
    table = np.concatenate([part[1] for part in parts])
    order = np.argsort(starts, kind="stable")
    starts, table = starts[order], table[order]
    return Columns(
        starts, table[:, _VALUE], table[:, _N], table[:, _LOW], table[:, _HIGH], table[:, _BASELINE],
        seconds, parts[0][2],
    )  # fmt: skip


def names(connection: Connection, stream: Stream, seconds: int) -> list[tuple[str, Labels]]:
    """Which metrics with which labels the newest window of this length has."""
    return [(m.metric, m.labels) for m in latest(connection, stream, seconds)]


def delete_before(connection: Connection, before: float) -> int:
    """Delete the measurements of windows that ended by `before`."""
    columns = MEASUREMENTS.c
    return connection.execute(delete(MEASUREMENTS).where(columns.start + columns.seconds <= before)).rowcount


def _written(connection: Connection, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The columns of a row that hold the measurements."""
    reasons = {index: m.reason for index, m in enumerate(measurements) if m.reason}
    return {
        "shape": _shape(connection, measurements),
        "figures": _figures(measurements).tobytes(),
        "reasons": msgspec.msgpack.encode(reasons) if reasons else b"",
    }


def _part(measurement: Measurement) -> int:
    return _part_of(measurement.labels)


def _part_of(labels: Labels) -> int:
    return DETAIL if any(name in _DETAILED for name, _ in labels) else HEADLINE


def _shape(connection: Connection, measurements: Iterable[Measurement]) -> str:
    raw = msgspec.msgpack.encode([_Item(m.metric, m.labels, m.unit, m.better.value) for m in measurements])
    return _known_shape(connection, raw)


def _known_shape(connection: Connection, raw: bytes) -> str:
    identity = hashlib.sha256(raw).hexdigest()[:16]
    insert_new(connection, SHAPES, [{"id": identity, "blob": raw}], ("id",))
    return identity


def _items(connection: Connection, shape: str) -> list[_Item]:
    blob = connection.scalar(select(SHAPES.c.blob).where(SHAPES.c.id == shape))
    return _decode_items(bytes(blob)) if blob is not None else []


@lru_cache(maxsize=512)
def _decode_items(blob: bytes) -> list[_Item]:
    return msgspec.msgpack.decode(blob, type=list[_Item])


def _place(items: Sequence[_Item], metric: str, labels: Labels) -> int | None:
    return next((i for i, item in enumerate(items) if item.metric == metric and item.labels == labels), None)


def _figures(measurements: Sequence[Measurement]) -> np.ndarray:
    rows: list[tuple[Any, ...]] = [(m.value, m.n, m.low, m.high, m.p_value, m.baseline) for m in measurements]
    return np.array(rows, np.float64)  # None becomes NaN


def _measurements(
    stream: Stream, window: Window, items: Sequence[_Item], figures: bytes, reasons: bytes
) -> list[Measurement]:
    table = np.frombuffer(figures, np.float64).reshape(-1, _FIGURES)
    values: list[list[Any]] = [[None if x != x else x for x in row] for row in table.tolist()]
    told = msgspec.msgpack.decode(reasons, type=dict[int, str]) if reasons else {}
    return [
        Measurement(
            stream,
            window,
            item.metric,
            row[_VALUE],
            unit=item.unit,
            better=Better(item.better),
            n=row[_N],
            labels=item.labels,
            low=row[_LOW],
            high=row[_HIGH],
            p_value=row[_P_VALUE],
            baseline=row[_BASELINE],
            reason=told.get(index, ""),
        )
        for index, (item, row) in enumerate(zip(items, values, strict=True))
    ]
