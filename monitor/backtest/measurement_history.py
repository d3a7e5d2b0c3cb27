"""The stored measurements of one stream, as rules would have read them at each moment.

The moments are the ends of the base windows, or of the hours if no base windows are stored (history that was loaded in
bulk). The base window replaces the open window of a live tick. Window lengths that were not stored are summed from base
windows: counts are added, and metrics averaged by their number of rows, which is exact for shares and close for
percentiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR, WEEK
from monitor.records import Labels, Measurement, Stream, Window
from monitor.store import timeseries
from monitor.store.timeseries import MeasurementColumns

STORED = (HOUR, DAY)
SUMMED = frozenset(("volume",))

Figures = Mapping[tuple[str, Labels], MeasurementColumns]


@dataclass(slots=True)
class MeasurementHistory:
    """One stream's measurements. `moments` are the times of evaluation, `step` seconds apart."""

    stream: Stream
    step: int
    moments: np.ndarray
    stored: Mapping[int, Figures]
    at: int = 0
    _aligned: dict[tuple[int, str], list[tuple[Labels, MeasurementColumns]]] = field(default_factory=dict)
    _rows: dict[tuple[int, str], list[tuple[Labels, np.ndarray, MeasurementColumns]]] = field(
        default_factory=dict
    )
    _past: dict[tuple[str, Labels], dict[int, float | None]] = field(default_factory=dict)

    def find(self, _stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """The measurements that a rule reads at the current moment (`at`)."""
        key, measurements = (seconds, metric), []
        if key not in self._rows:
            self._rows[key] = [(labels, _table(c), c) for labels, c in self.aligned(seconds, metric)]
        for labels, table, columns in self._rows[key]:
            row: list[float] = table[self.at].tolist()
            if row[0] >= 0:
                measurements.append(self._measurement(metric, labels, row, columns))
        return measurements

    def past(
        self, _stream: Stream, metric: str, labels: Labels, _seconds: int, start: float, end: float
    ) -> float | None:
        """The mean of the hours that start in `[start, end)`, from the hour that contains `start`."""
        first = int(start // HOUR) * HOUR
        means = self._past.setdefault((metric, labels), {})
        if first not in means:
            hours = self.stored.get(HOUR, {}).get((metric, labels))
            means[first] = None if hours is None else _mean(hours, first, max(end, first + 1))
        return means[first]

    def aligned(self, seconds: int, metric: str) -> list[tuple[Labels, MeasurementColumns]]:
        """The measurements of a metric at every moment, by labels; `starts` is -1 where there was no window yet."""
        key = (seconds, metric)
        if key not in self._aligned:
            self._aligned[key] = [
                (labels, self._align(columns, seconds, metric))
                for (name, labels), columns in self.stored[self._source(seconds)].items()
                if name == metric
            ]
        return self._aligned[key]

    def _source(self, seconds: int) -> int:
        return seconds if seconds in STORED and seconds > self.step else self.step

    def _align(self, columns: MeasurementColumns, seconds: int, metric: str) -> MeasurementColumns:
        if columns.seconds == self.step and seconds > self.step:
            columns = _rolled(columns, seconds, adds=metric in SUMMED)
        places = np.searchsorted(columns.starts + columns.seconds, self.moments, side="right") - 1
        starts = np.where(places >= 0, columns.starts[places], -1)
        # A measurement is valid until the next one is due; after that there is no data.
        is_fresh = self.moments - (starts + columns.seconds) < max(columns.seconds, self.step)
        return replace(
            columns,
            starts=np.where(is_fresh, starts, -1),
            values=columns.values[places],
            n=columns.n[places],
            low=columns.low[places],
            high=columns.high[places],
            baseline=columns.baseline[places],
        )

    def _measurement(
        self, metric: str, labels: Labels, row: list[float], columns: MeasurementColumns
    ) -> Measurement:
        start = int(row[0])
        value, n, low, high, baseline = (None if number != number else number for number in row[1:])
        return Measurement(
            self.stream,
            Window(start, start + columns.seconds),
            metric,
            value,
            columns.unit,
            n=n or 0.0,
            labels=labels,
            low=low,
            high=high,
            baseline=baseline,
            reason="" if value is not None else "was not measured",
        )


def _table(columns: MeasurementColumns) -> np.ndarray:
    """One row per moment: reading one row is faster than reading six arrays."""
    parts = (columns.starts, columns.values, columns.n, columns.low, columns.high, columns.baseline)
    return np.column_stack([np.asarray(part, np.float64) for part in parts])


def read(
    connection: Connection, stream: Stream, base: int, start: float, end: float, metrics: Sequence[str]
) -> MeasurementHistory:
    """Read the stored measurements of some metrics over `[start, end)`, and hourly ones of the week before."""
    wanted = frozenset(metrics)
    stored: dict[int, Figures] = {
        HOUR: timeseries.load_columns(connection, stream, HOUR, start - WEEK - DAY, end, wanted),
        DAY: timeseries.load_columns(connection, stream, DAY, start - 2 * DAY, end, wanted),
        base: timeseries.load_columns(connection, stream, base, start, end, wanted),
    }
    step = base if stored[base] else HOUR
    first = -(-int(start) // step) * step
    return MeasurementHistory(
        stream, step, np.arange(first + step, int(end) + 1, step, dtype=np.int64), stored
    )


def _rolled(columns: MeasurementColumns, seconds: int, *, adds: bool) -> MeasurementColumns:
    """Windows of `seconds` that end with each base window, summed from the existing base windows."""
    ends = columns.starts + columns.seconds
    first = np.searchsorted(columns.starts, ends - seconds, side="left")
    last = np.arange(1, len(ends) + 1)

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
        return np.asarray(sums[last] - sums[first])

    n = total(columns.n)
    weights = np.where(np.isnan(columns.values), 0.0, np.maximum(columns.n, 1e-9))
    if adds:
        values = total(columns.values)
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = total(columns.values * weights) / total(weights)
    unknown = np.full(len(ends), np.nan)
    return MeasurementColumns(
        ends - seconds, values, n, unknown, unknown, columns.baseline, seconds, columns.unit
    )


def _mean(columns: MeasurementColumns, first: float, end: float) -> float | None:
    low, high = np.searchsorted(columns.starts, (first, end))
    values = columns.values[low:high]
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None
