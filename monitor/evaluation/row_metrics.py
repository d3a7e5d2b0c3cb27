"""Metrics that need rows, measured on a schedule for the last complete hour of each stream."""

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import multivariate
from monitor.predictions.log.batch import concatenate, decode, encode
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Stream, Window
from monitor.store import measurements, predictions, streams
from monitor.store.db import Store
from monitor.windows import closing
from monitor.windows.baseline import load
from monitor.windows.profile import blank
from monitor.windows.settings import WindowSettings

_ROWS = 2000
_MOST_BATCHES = 120


def measure_rows(store: Store, windows: WindowSettings, metrics: MetricSettings, now: float) -> list[Stream]:
    """Measure the last complete hour of each stream with a baseline, unless it was measured. Returns the measured
    streams.
    """
    with store.read() as connection:
        everything = streams.figures_of_all(connection)
    measured = []
    for figures in everything:
        with store.faults.isolate("streams", f"{figures.stream}: several columns at once"):
            until = closing.horizon(figures.watermark, figures.last_received, now, windows)
            end = int(min(until, now) // HOUR) * HOUR
            if figures.rows and _measure(store, figures.stream, Window(end - HOUR, end), metrics, now):
                measured.append(figures.stream)
    return measured


def _measure(store: Store, stream: Stream, window: Window, metrics: MetricSettings, now: float) -> bool:
    with store.read() as connection:
        if measurements.has_slow(connection, stream, window):
            return False
        baseline = load(connection, stream, with_sample=True)
        rows = None if baseline is None else _some_rows(connection, stream, window)
    if baseline is None or rows is None:
        return False
    subject = Subject(stream, window, blank(baseline.layout), baseline, metrics)
    results = list(multivariate.measure(subject, rows))
    with store.write() as connection:
        measurements.put_slow(connection, stream, window, results, now)
    return True


def _some_rows(connection: Connection, stream: Stream, window: Window) -> pa.RecordBatch | None:
    """At most 2,000 rows with features, evenly spread over at most 120 batches of the window. One batch is in memory at
    a time.
    """
    sizes = predictions.sizes(connection, stream, window.start, window.end)
    if not sizes:
        return None
    chosen = [sizes[place] for place in np.unique(np.linspace(0, len(sizes) - 1, _MOST_BATCHES).astype(int))]
    share = min(1.0, 4 * _ROWS / sum(rows for _, _, rows in chosen))  # some rows may have no features
    parts = [
        _some(rows, int(np.ceil(share * stored.rows)))
        for stored, rows in decoded(
            connection, predictions.some(connection, stream, [number for number, _, _ in chosen])
        )
    ]
    rows = concatenate(parts)
    if "sampled" in rows.schema.names:
        rows = rows.filter(rows.column("sampled").fill_null(True))
    return _some(rows, _ROWS)


def _some(rows: pa.RecordBatch, most: int) -> pa.RecordBatch:
    """At most `most` rows, evenly spread, copied so that the others can be freed."""
    if rows.num_rows <= most:
        return rows
    chosen = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, most).astype(np.int64)))
    return decode(encode(chosen))
