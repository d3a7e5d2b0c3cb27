"""Figures over time: one number is picked from each blob of measurements (see `monitor.store.measurements`)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Integer, bindparam, select

from monitor.block import BASELINE, FIGURES, HIGH, LOW, VALUE, Key, N, Shape
from monitor.records import Labels, Stream
from monitor.store import register
from monitor.store.db import whole
from monitor.store.measurements import MEASUREMENTS, PARTS, SLOW, part_of, stored_shape
from monitor.store.prepared import Prepared

_C = MEASUREMENTS.c
_SERIES = Prepared(
    select(_C.start, _C.shape, _C.figures)
    .where(_C.stream == bindparam("stream"), _C.seconds == bindparam("seconds"))
    .where(_C.part.in_([bindparam("part", type_=Integer), SLOW]))
    .where(_C.start >= bindparam("first"), _C.start < bindparam("end"))
    .order_by(_C.start)
)


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


def load(
    connection: Connection,
    stream: Stream,
    metric: str,
    seconds: int,
    start: float,
    end: float,
    labels: Labels = (),
) -> Series:
    """One metric over the windows of this length that begin in `[start, end)`, in order of time."""
    return _read(connection, stream, [(metric, labels)], seconds, start, end)[metric, labels]


def load_plain(
    connection: Connection, stream: Stream, metrics: Collection[str], seconds: int, start: float, end: float
) -> dict[str, Series]:
    """Some metrics without labels, as `load` has them, in one pass over the windows."""
    found = _read(connection, stream, [(metric, ()) for metric in metrics], seconds, start, end)
    return {metric: series for (metric, _), series in found.items()}


def _read(
    connection: Connection, stream: Stream, keys: Sequence[Key], seconds: int, start: float, end: float
) -> dict[Key, Series]:
    """Series that stand in the same part of the measurements."""
    here = {"stream": register.find(connection, stream), "seconds": seconds, "part": part_of(keys[0][1])}
    starts: dict[Key, list[int]] = {key: [] for key in keys}
    picked: dict[Key, list[np.ndarray]] = {key: [] for key in keys}
    places: dict[str, list[tuple[Key, int]]] = {}
    for row in _SERIES.run(connection, here | {"first": int(start), "end": end}):
        shape = row.shape
        if shape not in places:
            places[shape] = _places(stored_shape(connection, shape), keys)
        if places[shape]:
            table = np.frombuffer(row.figures, np.float64).reshape(-1, FIGURES)
            for key, place in places[shape]:
                starts[key].append(row.start)
                picked[key].append(table[place])
    return {key: _series(starts[key], picked[key], seconds) for key in keys}


def _series(starts: list[int], picked: list[np.ndarray], seconds: int) -> Series:
    table = np.array(picked, np.float64).reshape(-1, FIGURES)
    return Series(
        np.array(starts, np.int64), table[:, VALUE], table[:, N], table[:, LOW], table[:, HIGH], seconds
    )


def load_columns(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float, metrics: Collection[str]
) -> dict[tuple[str, Labels], Columns]:
    """Some metrics, with every label they carry, over the windows that begin in `[start, end)`, in order."""
    c = MEASUREMENTS.c
    query = select(c.start, c.shape, c.figures).where(
        c.stream == register.find(connection, stream),
        c.seconds == seconds,
        c.part.in_(PARTS),
        c.start >= int(start),
        c.start < whole(end),
    )
    blocks: dict[str, tuple[list[int], list[bytes]]] = {}
    for at, shape, figures in connection.execute(query.order_by(c.part, c.start)).fetchall():
        starts, blobs = blocks.setdefault(shape, ([], []))
        starts.append(at)
        blobs.append(figures)
    found: dict[tuple[str, Labels], list[tuple[np.ndarray, np.ndarray, str]]] = {}
    for shape, (starts, blobs) in blocks.items():
        names = stored_shape(connection, shape).names
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


def _places(shape: Shape, keys: Iterable[Key]) -> list[tuple[Key, int]]:
    """Where the figures of a shape stand that are asked for."""
    return [
        ((metric, labels), place)
        for metric, labels in keys
        for place in shape.by_metric.get(metric, ())
        if shape.names[place].labels == labels
    ]
