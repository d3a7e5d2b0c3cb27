"""Metrics that need rows, measured on a schedule for the last complete hour of each stream."""

from monitor.config.units import HOUR
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import multivariate
from monitor.predictions.log.sampled_rows import sampled_rows
from monitor.records import Stream, Window
from monitor.store import measurements, streams
from monitor.store.db import Store
from monitor.windows import closing
from monitor.windows.baseline import load
from monitor.windows.profile import blank
from monitor.windows.settings import WindowSettings

_ROWS = 2000


def measure_rows(store: Store, windows: WindowSettings, metrics: MetricSettings, now: float) -> list[Stream]:
    """Measure the last complete hour of each stream with a baseline, unless it was measured. Returns the measured
    streams.
    """
    with store.read() as connection:
        everything = streams.figures_of_all(connection)
    measured = []
    for figures in everything:
        with store.faults.isolate("streams", f"{figures.stream}: several columns at once"):
            until = closing.horizon_of(figures, now, windows)
            end = int(min(until, now) // HOUR) * HOUR
            if figures.rows and _measure(store, figures.stream, Window(end - HOUR, end), metrics, now):
                measured.append(figures.stream)
    return measured


def _measure(store: Store, stream: Stream, window: Window, metrics: MetricSettings, now: float) -> bool:
    with store.read() as connection:
        if measurements.has_slow(connection, stream, window):
            return False
        baseline = load(connection, stream, with_sample=True)
        rows = None if baseline is None else sampled_rows(connection, stream, window.start, window.end, _ROWS)
    if baseline is None or rows is None:
        return False
    subject = Subject(stream, window, blank(baseline.layout), baseline, metrics)
    results = list(multivariate.measure(subject, rows))
    with store.write() as connection:
        measurements.put_slow(connection, stream, window, results, now)
    return True
