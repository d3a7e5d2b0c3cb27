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
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import WindowSettings

_ROWS = 2000
_AT_LEAST, _SHARE = 400, 20
"""Streams that one call looks at: so many or, of very many, this part of them."""


def measure_rows(
    store: Store,
    windows: WindowSettings,
    metrics: MetricSettings,
    now: float,
    turns: RoundRobin | None = None,
) -> list[Stream]:
    """Measure the last complete hour of each stream with a baseline, unless it was measured. Of very many streams, one
    call looks at some, by `turns`. Returns the measured streams.
    """
    hours: dict[Stream, Window] = {}
    with store.read() as connection:
        for figures in streams.figures_of_all(connection):
            with store.faults.isolate("streams", f"{figures.stream}: several columns at once"):
                until = closing.horizon_of(figures, now, windows)
                end = int(min(until, now) // HOUR) * HOUR
                if figures.rows:
                    hours[figures.stream] = Window(end - HOUR, end)
        waiting = hours.keys() - measurements.with_slow(connection, hours)
    most = max(_AT_LEAST, len(hours) // _SHARE)
    order = sorted(waiting) if turns is None else list(turns.serve(waiting, at_least=most))
    measured = []
    for stream in order:
        with store.faults.isolate("streams", f"{stream}: several columns at once"):
            if _measure(store, stream, hours[stream], metrics, now):
                measured.append(stream)
    return measured


def _measure(store: Store, stream: Stream, window: Window, metrics: MetricSettings, now: float) -> bool:
    with store.read() as connection:
        if load(connection, stream) is None:  # without its rows, which take long to read
            return False
        rows = sampled_rows(connection, stream, window.start, window.end, _ROWS)
        baseline = None if rows is None else load(connection, stream, with_sample=True)
    if baseline is None or rows is None:
        return False
    subject = Subject(stream, window, blank(baseline.layout), baseline, metrics)
    results = list(multivariate.measure(subject, rows))
    with store.write() as connection:
        measurements.put_slow(connection, stream, window, results, now)
    return True
