"""The metrics that need rows: measured for each stream's last whole hour, on a schedule of their own."""

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.metrics import MetricSettings, Subject, multivariate
from monitor.predictions.batches import concatenate, decode
from monitor.records import Stream, Window
from monitor.store import measurements, predictions, register
from monitor.store.db import Store
from monitor.windows import cut
from monitor.windows.baseline import load
from monitor.windows.profile import blank
from monitor.windows.settings import WindowSettings

HOUR = 3600
_ROWS = 2000
_MOST_BATCHES = 120


def measure_rows(store: Store, windows: WindowSettings, metrics: MetricSettings, now: float) -> list[Stream]:
    """Measure the last whole hour of each stream that has a baseline, unless that was done; say which were measured."""
    with store.read() as connection:
        everything = register.figures_of_all(connection)
    done = []
    for figures in everything:
        until = cut.horizon(figures.watermark, figures.last_received, now, windows)
        end = int(min(until, now) // HOUR) * HOUR
        if figures.rows and _measure(store, figures.stream, Window(end - HOUR, end), metrics, now):
            done.append(figures.stream)
    return done


def _measure(store: Store, stream: Stream, window: Window, metrics: MetricSettings, now: float) -> bool:
    with store.read() as connection:
        if measurements.has_slow(connection, stream, window):
            return False
        baseline = load(connection, stream, with_sample=True)
        rows = None if baseline is None else _some_rows(connection, stream, window)
    if baseline is None or rows is None:
        return False
    subject = Subject(stream, window, blank(baseline.layout), baseline, metrics)
    found = list(multivariate.measure(subject, rows))
    with store.write() as connection:
        measurements.put_slow(connection, stream, window, found, now)
    return True


def _some_rows(connection: Connection, stream: Stream, window: Window) -> pa.RecordBatch | None:
    """At most 2,000 rows whose features were kept, evenly spread over at most 120 batches of the window."""
    batches = list(predictions.batches(connection, stream, window.start, window.end))
    if not batches:
        return None
    chosen = np.unique(np.linspace(0, len(batches) - 1, _MOST_BATCHES).astype(int))
    rows = concatenate([decode(batches[index].blob) for index in chosen])
    if "sampled" in rows.schema.names:
        rows = rows.filter(rows.column("sampled").fill_null(True))
    if rows.num_rows > _ROWS:
        rows = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, _ROWS).astype(np.int64)))
    return rows
