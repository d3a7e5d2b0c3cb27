"""Metrics over time, read from the blobs of `monitor.store.measurements`."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from sqlalchemy import Connection, Integer, bindparam, select

from monitor.measurement_table import BASELINE, FIGURES, HIGH, LOW, VALUE, Key, N, TableSchema
from monitor.records import Labels, Stream
from monitor.store import streams
from monitor.store.db import faults_of, whole
from monitor.store.measurements import (
    DETAIL,
    HEADLINE,
    MEASUREMENTS,
    PARTS,
    SLOW,
    figures_of,
    part_of,
    stored_shape,
)
from monitor.store.prepared_statements import Prepared

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
    """One metric over time: arrays of shape (windows,). `values`, `low` and `high` are NaN where not measured."""

    starts: np.ndarray
    values: np.ndarray
    n: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seconds: int = 0

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementColumns:
    """One metric over time with all columns that rules need: arrays of shape (windows,), NaN where not measured."""

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
    return load_keys(connection, stream, [(metric, labels)], seconds, start, end)[metric, labels]


def load_plain(
    connection: Connection, stream: Stream, metrics: Collection[str], seconds: int, start: float, end: float
) -> dict[str, Series]:
    """Several metrics without labels, as `load`, in one pass over the windows."""
    series_of = load_keys(connection, stream, [(metric, ()) for metric in metrics], seconds, start, end)
    return {metric: series for (metric, _), series in series_of.items()}


def load_keys(
    connection: Connection, stream: Stream, keys: Sequence[Key], seconds: int, start: float, end: float
) -> dict[Key, Series]:
    """Some metrics with the same labels, as `load` has them, in one pass over the windows."""
    choose = partial(_places, keys=keys)
    series_of = _read(connection, stream, part_of(keys[0][1]), choose, seconds, start, end)
    nothing = _series([], [], seconds)
    return {key: series_of.get(key, nothing) for key in keys}


def load_part(
    connection: Connection,
    stream: Stream,
    metrics: Collection[str],
    seconds: int,
    start: float,
    end: float,
    *,
    detailed: bool,
) -> dict[Key, Series]:
    """Some metrics with every label that they carry, over the windows that begin in `[start, end)`, in one pass.

    `detailed` are those by version, segment, class, feature or output; the others are those of the whole stream, by
    type of error for example.
    """
    part = DETAIL if detailed else HEADLINE
    choose = partial(_labelled_places, metrics=metrics)
    return _read(connection, stream, part, choose, seconds, start, end)


def _labelled_places(schema: TableSchema, metrics: Collection[str]) -> list[tuple[Key, int]]:
    """Where the figures of some metrics stand, whatever their labels."""
    return [
        ((metric, schema.names[place].labels), place)
        for metric in metrics
        for place in schema.by_metric.get(metric, ())
    ]


def _read(
    connection: Connection,
    stream: Stream,
    part: int,
    choose: Callable[[TableSchema], list[tuple[Key, int]]],
    seconds: int,
    start: float,
    end: float,
) -> dict[Key, Series]:
    """The series at the places that `choose` returns for a schema, from one part of the measurements."""
    here = {"stream": streams.find(connection, stream), "seconds": seconds, "part": part}
    starts: dict[Key, list[int]] = {}
    picked: dict[Key, list[np.ndarray]] = {}
    schemas: dict[str, tuple[TableSchema, list[tuple[Key, int]]]] = {}
    faults = faults_of(connection)
    for row in _SERIES.rows(connection, here | {"first": int(start), "end": end}):
        with faults.isolate("measurements", f"{stream} {row.start}"):
            if row.shape not in schemas:
                schema = stored_shape(connection, row.shape)
                schemas[row.shape] = schema, choose(schema)
            schema, places = schemas[row.shape]
            if not places:
                continue
            table = figures_of(row.figures, schema)
            for key, place in places:
                starts.setdefault(key, []).append(row.start)
                picked.setdefault(key, []).append(table[place])
    return {key: _series(starts[key], picked[key], seconds) for key in starts}


def _series(starts: list[int], picked: list[np.ndarray], seconds: int) -> Series:
    table = np.array(picked, np.float64).reshape(-1, FIGURES)
    return Series(
        np.array(starts, np.int64), table[:, VALUE], table[:, N], table[:, LOW], table[:, HIGH], seconds
    )


def load_columns(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float, metrics: Collection[str]
) -> dict[tuple[str, Labels], MeasurementColumns]:
    """Several metrics with all their labels, over the windows that begin in `[start, end)`, in order of time."""
    c = MEASUREMENTS.c
    query = select(c.start, c.shape, c.figures).where(
        c.stream == streams.find(connection, stream),
        c.seconds == seconds,
        c.part.in_(PARTS),
        c.start >= int(start),
        c.start < whole(end),
    )
    blocks: dict[str, tuple[TableSchema, list[int], list[np.ndarray]]] = {}
    faults = faults_of(connection)
    for at, shape, figures in connection.execute(query.order_by(c.part, c.start)).fetchall():
        with faults.isolate("measurements", f"{stream} {at}"):
            if shape not in blocks:
                blocks[shape] = (stored_shape(connection, shape), [], [])
            schema, starts, tables = blocks[shape]
            tables.append(figures_of(figures, schema))
            starts.append(at)
    parts_of: dict[tuple[str, Labels], list[tuple[np.ndarray, np.ndarray, str]]] = {}
    for schema, starts, tables in blocks.values():
        if not tables:
            continue
        table = np.array(tables).reshape(-1, len(schema.names), FIGURES)
        for place, name in enumerate(schema.names):
            if name.metric in metrics:
                part = (np.array(starts, np.int64), table[:, place].copy(), name.unit)
                parts_of.setdefault((name.metric, name.labels), []).append(part)
    return {key: _joined(parts, seconds) for key, parts in parts_of.items()}


def _joined(parts: list[tuple[np.ndarray, np.ndarray, str]], seconds: int) -> MeasurementColumns:
    starts = np.concatenate([part[0] for part in parts])
    table = np.concatenate([part[1] for part in parts])
    order = np.argsort(starts, kind="stable")
    starts, table = starts[order], table[order]
    return MeasurementColumns(
        starts, table[:, VALUE], table[:, N], table[:, LOW], table[:, HIGH], table[:, BASELINE],
        seconds, parts[0][2],
    )  # fmt: skip


def _places(shape: TableSchema, keys: Iterable[Key]) -> list[tuple[Key, int]]:
    """The places in a schema of the metrics that are wanted."""
    return [
        ((metric, labels), place)
        for metric, labels in keys
        for place in shape.by_metric.get(metric, ())
        if shape.names[place].labels == labels
    ]
