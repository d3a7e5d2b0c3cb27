"""Measures the windows of a lake as the daemon measures its own: the same families, the same rolling sums."""

from collections.abc import Iterable, Sequence

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Stream, Window
from monitor.store import measurements
from monitor.store.db import Store
from monitor.windows import baseline, cut
from monitor.windows.rolling import Rolling

HOUR = 3600
_WINDOWS = 50
"""Windows that are measured in one transaction: a commit costs a write to disk."""


def measure_history(
    store: Store,
    written: Sequence[tuple[Stream, Window]],
    base_seconds: int,
    settings: MetricSettings,
    now: float,
) -> None:
    """Measure windows, and the hours that shorter ones lie in, which charts and days are made from. Windows as short
    as the daemon's own are not measured one by one: of the past, it keeps hours too.
    """
    due = sorted({*_hours(written), *(one for one in written if one[1].seconds > base_seconds)})
    for at in range(0, len(due), _WINDOWS):
        with store.write() as connection:
            rolling = Rolling(connection, base_seconds, settled=float("-inf"))
            for stream, window in due[at : at + _WINDOWS]:
                profile = rolling.profile(stream, window)
                found = measure(Subject(stream, window, profile, baseline.load(connection, stream), settings))
                measurements.put(connection, stream, window, found, now)


def _hours(written: Iterable[tuple[Stream, Window]]) -> set[tuple[Stream, Window]]:
    return {(stream, cut.window_of(one.start, HOUR)) for stream, one in written if one.seconds < HOUR}
