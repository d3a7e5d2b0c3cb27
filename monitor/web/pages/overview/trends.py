"""The sparklines of the rows that a page shows: one metric over three hours and over seven days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR, format_duration
from monitor.records import Stream
from monitor.rules.language.wording import figure as with_unit
from monitor.store import fleet_measurements
from monitor.web.pages.charts import spark
from monitor.web.pages.overview.query import TRENDS
from monitor.web.pages.overview.rows import DRIFT, ModelRow, per_time

MOST_OF_HOURS, MOST_OF_DAYS = 4_000, 9_000
"""Windows that one view reads for its sparklines: with many models, these show fewer windows."""
_STRIDES = (1, 2, 3, 4, 6, 8, 12, 24)
"""Each divides a day of hours, so that every day is shown at the same hours."""
_METRICS = {"rate": "volume", "errors": "error_rate", "p95": "latency_p95", "drift": DRIFT}
_UNITS = {"errors": "share", "p95": "seconds", "drift": "share"}


@dataclass(frozen=True, slots=True)
class SparklineGrid:
    """The starts of the windows that a sparkline shows, and their length in seconds; each `stride`-th is read."""

    label: str
    seconds: int
    stride: int
    starts: tuple[int, ...]

    @property
    def words(self) -> str:
        """`3 h, 1m of every 6m`."""
        if self.stride == 1:
            return self.label
        every = format_duration(self.seconds * self.stride)
        return f"{self.label}, {format_duration(self.seconds)} of every {every}"


@dataclass(frozen=True, slots=True)
class Trend:
    """Both sparklines of a row."""

    hours: Markup
    days: Markup


def grids(models: int, base: int, now: float) -> tuple[SparklineGrid, SparklineGrid]:
    """The windows of three hours and of seven days, of which one view reads at most so many for all models."""
    return (
        _grid("3 h", base, 3 * HOUR, models, MOST_OF_HOURS, now),
        _grid("7 d", HOUR, 7 * DAY, models, MOST_OF_DAYS, now),
    )


def _grid(label: str, seconds: int, length: int, models: int, most: int, now: float) -> SparklineGrid:
    wanted = models * (length // seconds) / most
    stride = next((stride for stride in _STRIDES if stride >= wanted), _STRIDES[-1])
    # Multiples of the step: the same windows are shown from view to view.
    step = seconds * stride
    last = (int(now) - seconds) // step * step
    return SparklineGrid(
        label, seconds, stride, tuple(range(last - (length // step - 1) * step, last + 1, step))
    )


def read(
    connection: Connection, rows: Sequence[ModelRow], trend: str, chosen: Sequence[SparklineGrid]
) -> dict[Stream, Trend]:
    """The sparklines of these rows."""
    metrics = {row.stream: _METRICS.get(trend, row.metric) for row in rows}
    metrics = {stream: metric for stream, metric in metrics.items() if metric}
    hours, days = (
        fleet_measurements.course(connection, metrics, grid.seconds, grid.starts) for grid in chosen
    )
    return {
        row.stream: Trend(
            *(
                spark.draw(
                    f"{TRENDS[trend]}, {grid.label}",
                    grid.starts,
                    values.get(row.stream, {}),
                    _shown(trend, grid.seconds),
                    is_from_zero=trend != "quality",
                )
                for grid, values in zip(chosen, (hours, days), strict=True)
            )
        )
        for row in rows
    }


def _shown(trend: str, seconds: int) -> Callable[[float], str]:
    if trend == "rate":
        return lambda value: per_time(value / seconds)
    return lambda value: with_unit(value, _UNITS.get(trend, ""))
