"""Measurements of many streams at once, for pages that list all models: one query per length of window."""

import math
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from monitor.errors import DamageError
from monitor.measurement_table import FIGURES, VALUE, MeasurementTable, TableSchema
from monitor.records import Measurement, Stream, Window
from monitor.store import streams
from monitor.store.checksums import unseal
from monitor.store.db import faults_of
from monitor.store.measurements import HEADLINE, MEASUREMENTS, figures_of, stored_shape

_FLOAT = struct.Struct("=d")
_STREAMS = 500
"""Streams per query: databases limit the number of parameters."""


_Row = tuple[Stream, int, TableSchema, bytes, bytes]
"""A stored window: stream, start, schema, encoded figures and encoded reasons."""


def newest(
    connection: Connection,
    wanted: Collection[Stream],
    seconds: int,
    starts: Sequence[int],
    metrics: Collection[str],
) -> dict[Stream, dict[str, Measurement]]:
    """Each metric without labels, from the newest of these windows with a value, otherwise from the newest window."""
    faults = faults_of(connection)
    measured: dict[Stream, dict[str, Measurement]] = {}
    for row in reversed(list(_windows(connection, wanted, seconds, starts))):
        known = measured.setdefault(row[0], {})
        missing = [metric for metric in metrics if metric not in known or known[metric].value is None]
        if missing:
            with faults.isolate("measurements", f"{row[0]} {row[1]}"):
                for measurement in _measurements(row, seconds, missing):
                    if measurement.metric not in known or measurement.value is not None:
                        known[measurement.metric] = measurement
    return measured


def course(
    connection: Connection, metrics: Mapping[Stream, str], seconds: int, starts: Sequence[int]
) -> dict[Stream, dict[int, float]]:
    """The values of one metric per stream, without labels, by the start of the window; only measured ones."""
    faults = faults_of(connection)
    values: dict[Stream, dict[int, float]] = {stream: {} for stream in metrics}
    places: dict[tuple[TableSchema, str], int | None] = {}
    for stream, start, schema, figures, _ in _windows(connection, metrics, seconds, starts):
        key = (schema, metrics[stream])
        if key not in places:
            places[key] = next(iter(_places(*key)), None)
        place = places[key]
        if place is None:
            continue
        try:  # thousands of rows for one page: a fault is recorded only where there is one
            value = _value(unseal(figures), place, len(schema.names))
        except (DamageError, ValueError, TypeError, struct.error):
            with faults.isolate("measurements", f"{stream} {start}"):
                raise
            continue
        if math.isfinite(value):
            values[stream][start] = value
    return values


def _value(raw: bytes, place: int, places: int) -> float:
    if len(raw) != places * FIGURES * _FLOAT.size:
        msg = f"{len(raw)} bytes for {places} measurements"
        raise ValueError(msg)
    value: float = _FLOAT.unpack_from(raw, (place * FIGURES + VALUE) * _FLOAT.size)[0]
    return value


def _windows(
    connection: Connection, wanted: Collection[Stream], seconds: int, starts: Sequence[int]
) -> Iterator[_Row]:
    """The stored headline figures of these windows, in order of time for each stream."""
    c, faults = MEASUREMENTS.c, faults_of(connection)
    numbers = {streams.find(connection, stream): stream for stream in wanted}
    keys = [number for number in numbers if number is not None]
    schemas: dict[str, TableSchema] = {}
    query = select(c.stream, c.start, c.shape, c.figures, c.reasons).where(
        c.seconds == seconds, c.part == HEADLINE, c.start.in_(list(starts))
    )
    for at in range(0, len(keys), _STREAMS):
        some = query.where(c.stream.in_(keys[at : at + _STREAMS])).order_by(c.stream, c.start)
        for number, start, shape, figures, reasons in connection.execute(some).cursor.fetchall():
            if shape not in schemas:
                with faults.isolate("measurements", f"{numbers[number]} {start}"):
                    schemas[shape] = stored_shape(connection, shape)
            if shape in schemas:
                yield numbers[number], start, schemas[shape], figures, reasons


def _measurements(row: _Row, seconds: int, metrics: Collection[str]) -> list[Measurement]:
    stream, start, schema, figures, reasons = row
    decoded = msgspec.msgpack.decode(unseal(reasons), type=dict[int, str]) if reasons else {}
    table = MeasurementTable(
        stream, Window(start, start + seconds), schema, figures_of(figures, schema), decoded
    )
    return table.at([place for metric in metrics for place in _places(schema, metric)])


def _places(schema: TableSchema, metric: str) -> list[int]:
    return [place for place in schema.by_metric.get(metric, ()) if not schema.names[place].labels]
