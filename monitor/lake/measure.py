"""Measures the windows of a lake as the daemon measures its own: same metrics, same rolling sums."""

from collections.abc import Iterable, Sequence

from monitor.config.units import HOUR
from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Stream, Window
from monitor.store import measurements
from monitor.store.db import Store
from monitor.windows import baseline, closing
from monitor.windows.rolling import Rolling

_WINDOWS_PER_TRANSACTION = 50
"""A commit costs a write to disk."""


def measure_history(
    store: Store,
    written: Sequence[tuple[Stream, Window]],
    base_seconds: int,
    settings: MetricSettings,
    now: float,
) -> None:
    """Measure windows, and the hours that contain shorter ones, from which charts and daily summaries are made.

    Windows as short as the daemon's base windows are not measured themselves: of the past, the daemon also keeps hours.
    """
    due = sorted({*_hours(written), *(window for window in written if window[1].seconds > base_seconds)})
    for at in range(0, len(due), _WINDOWS_PER_TRANSACTION):
        with store.write() as connection:
            rolling = Rolling(connection, base_seconds, settled=float("-inf"))
            for stream, window in due[at : at + _WINDOWS_PER_TRANSACTION]:
                profile = rolling.profile(stream, window)
                measured = measure(
                    Subject(stream, window, profile, baseline.load(connection, stream), settings)
                )
                measurements.put(connection, stream, window, measured, now)


def _hours(written: Iterable[tuple[Stream, Window]]) -> set[tuple[Stream, Window]]:
    return {
        (stream, closing.window_of(window.start, HOUR)) for stream, window in written if window.seconds < HOUR
    }
