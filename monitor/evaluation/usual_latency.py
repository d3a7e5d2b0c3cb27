"""The usual latency of a stream, from its own traffic, for baselines without latency.

It is the median over the hours of the last month without the last two; if there are fewer than three such hours, over
the first ten windows with traffic. So a continuing incident does not become usual.
"""

import math
from collections.abc import Mapping

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR
from monitor.metrics.system.latency import INFO
from monitor.records import Stream
from monitor.store import measurements, timeseries
from monitor.windows.baseline_from_table import Baseline

_METRICS = tuple(info.name for info in INFO)
_MONTH = 30 * DAY
_FEWEST_ROWS, _FEWEST_HOURS = 20, 3
_FIRST, _FEWEST_WINDOWS = 10, 5
_MOST_WINDOWS = 60
"""Windows from the first one on in which the first ones with traffic are searched."""
_NEW = 6 * HOUR
"""Age of a stream up to which an unknown latency is read again soon; later, every hour."""
_SOON = 30.0

Usual = Mapping[str, float]
"""Seconds by metric; empty if there is too little data."""


class UsualLatency:
    """Caches the usual latency of each stream for a while."""

    def __init__(self, base_seconds: int) -> None:
        self._base = base_seconds
        self._kept: dict[Stream, tuple[float, float, Usual]] = {}

    def of(self, connection: Connection, stream: Stream, baseline: Baseline | None, now: float) -> Usual:
        """The usual latency of a stream; empty if its baseline has one."""
        if baseline is not None and baseline.profile.overall.column("latency_ms").finite > 0:
            return {}
        read_at, lasts, usual = self._kept.get(stream, (-math.inf, 0.0, {}))
        if not 0 <= now - read_at < lasts:
            first = measurements.first(connection, stream, self._base)
            usual = usual_latency(connection, stream, self._base, first, now)
            is_new = first is None or now - first < _NEW
            self._kept[stream] = now, _SOON if is_new and not usual else HOUR, usual
        return usual


def usual_latency(connection: Connection, stream: Stream, base: int, first: int | None, now: float) -> Usual:
    """Compute it from measurements. `first` is the start of the first base window."""
    hours = _medians(connection, stream, HOUR, now - _MONTH, now - 3 * HOUR, _FEWEST_HOURS)
    if hours or first is None:
        return hours
    end = min(now, first + _MOST_WINDOWS * base)
    return _medians(connection, stream, base, first, end, _FEWEST_WINDOWS, _FIRST)


def _medians(
    connection: Connection, stream: Stream, seconds: int, start: float, end: float, least: int, most: int = 0
) -> Usual:
    """The medians over the windows with traffic, of the first `most` of them; empty with fewer than `least`."""
    medians = {}
    for metric, series in timeseries.load_plain(connection, stream, _METRICS, seconds, start, end).items():
        values = series.values[np.isfinite(series.values) & (series.n >= _FEWEST_ROWS)]
        if values.size >= least:
            medians[metric] = float(np.median(values[:most] if most else values))
    return medians
