"""Metrics that applications send by OpenTelemetry (`POST /v1/metrics`), as gauges."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from monitor.gauges.metrics_endpoints.series import ScrapedSample, SeriesMapping, by_resource, shares_of
from monitor.gauges.reading import LEVELS, GaugeError, GaugeReader, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.sources.otlp.data_points import DataPoint, PointKind

STALE_AFTER = 300.0
"""Seconds after which a series that nobody sent again is gone. Exporters send every minute by default."""
MOST_SERIES = 5_000
"""Series of one gauge; further ones are refused."""
TOO_MANY = f"a gauge has more than {MOST_SERIES:,} series: `select` fewer"

_Key = tuple[str, tuple[tuple[str, str], ...]]


class OtlpMetricsSettings(GaugeSettings):
    """Metrics that an application sends by OpenTelemetry."""

    is_local: ClassVar[bool] = True
    kind: Literal["otlp"] = "otlp"
    """Metrics that are sent to `/v1/metrics`."""
    series: tuple[SeriesMapping, ...] = Field(min_length=1)
    """Which metrics become which quantity. A histogram has the series `NAME_count` and `NAME_sum`."""
    select: dict[str, str] = {}
    """Attributes that data points or their resource must have, such as `{service.name: ranker}`."""

    @model_validator(mode="after")
    def _counts_errors(self) -> Self:
        if any(mapping.is_last_error for mapping in self.series):
            msg = "`is_last_error` is for metrics endpoints only"
            raise ValueError(msg)
        return self

    def make_reader(self) -> GaugeReader:
        """A reader of what is received from now on."""
        return OtlpMetrics(self)


@dataclass(slots=True)
class _Series:
    """The last value of a series: when it came (seconds of the monotonic clock), and of when it was (ns)."""

    sample: ScrapedSample
    kind: PointKind
    received: float
    time: int


@dataclass(slots=True)
class OtlpMetrics:
    """What one gauge has received: the last value of each level, and the increments since the last reading."""

    settings: OtlpMetricsSettings
    clock: Callable[[], float] = time.monotonic
    _series: dict[_Key, _Series] = field(default_factory=dict)
    _increments: dict[_Key, ScrapedSample] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def receive(self, points: Iterable[DataPoint]) -> int:
        """Take over the points that the gauge wants; the number of those that are too many."""
        wanted = self._names()
        refused = 0
        with self._lock:
            for point in points:
                if point.name in wanted and self._is_selected(point.labels):
                    refused += not self._take(point)
        return refused

    def read(self) -> Sequence[Reading]:
        """The readings since the last call.

        Raises:
            GaugeError: nothing was received for a while.
        """
        with self._lock:
            now = self.clock()
            fresh = {key: one for key, one in self._series.items() if now - one.received <= STALE_AFTER}
            self._series = fresh
            increments, self._increments = self._increments, {}
            if not fresh and not increments:
                hint = "does the application send them here, and are `series` and `select` right?"
                raise GaugeError("no metrics were received in the last five minutes", hint=hint)
        levels = [one.sample for one in fresh.values() if one.kind is PointKind.LEVEL]
        return self._readings(
            _by_name(levels), _by_name(increments.values()), {s.sample.name for s in fresh.values()}
        )

    def _readings(
        self,
        levels: Mapping[str, list[ScrapedSample]],
        increments: Mapping[str, list[ScrapedSample]],
        present: set[str],
    ) -> list[Reading]:
        readings: list[Reading] = []
        for mapping in self.settings.series:
            name = next((sery for sery in mapping.series if sery in present or sery in increments), None)
            if name is None:
                continue
            is_level = mapping.quantity in LEVELS
            values = by_resource(mapping, (levels if is_level else increments).get(name, ()))
            if mapping.total or mapping.free:
                values = shares_of(mapping, values, levels)
            readings += [
                Reading(mapping.quantity, resource, max(0.0, value * mapping.scale))
                for resource, value in values.items()
            ]
        return readings

    def _take(self, point: DataPoint) -> bool:
        key = (point.name, tuple(sorted(point.labels.items())))
        before = self._series.get(key)
        if before is None and len(self._series) >= MOST_SERIES:
            return False
        if before is not None and point.time and point.time <= before.time:  # sent again, or overtaken
            return True
        sample = ScrapedSample(point.name, point.labels, point.value)
        self._series[key] = _Series(sample, point.kind, self.clock(), point.time)
        increment = _increment(point, before)
        if increment is not None:
            counted = self._increments[key].value if key in self._increments else 0.0
            self._increments[key] = ScrapedSample(point.name, point.labels, counted + increment)
        return True

    def _names(self) -> set[str]:
        mappings = self.settings.series
        named = {name for mapping in mappings for name in (*mapping.series, mapping.total, mapping.free)}
        return named - {""}

    def _is_selected(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.settings.select.items())


def _increment(point: DataPoint, before: _Series | None) -> float | None:
    """What was counted since the value before; None for levels, and for the first value of a total."""
    if point.kind is PointKind.INCREMENT:
        return max(0.0, point.value)
    if point.kind is PointKind.LEVEL or before is None:
        return None
    last = before.sample.value
    return point.value - last if point.value >= last else point.value  # it was counted anew after a restart


def _by_name(samples: Iterable[ScrapedSample]) -> dict[str, list[ScrapedSample]]:
    by_name: dict[str, list[ScrapedSample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    return by_name


@dataclass(frozen=True)
class MetricsReceiver:
    """Hands data points to the gauges that want them."""

    gauges: Sequence[OtlpMetrics]

    def receive(self, points: Sequence[DataPoint], client: str) -> tuple[int, str]:
        """The number of points that are not accepted, and why. `client` is that of the sender's key, if it has one.

        Points that no gauge wants are accepted and not stored: an application sends all its metrics to one address.
        """
        mine = [gauge for gauge in self.gauges if not client or gauge.settings.client == client]
        if not mine:
            hint = "name them in a gauge of the kind `otlp`, or set OTEL_METRICS_EXPORTER=none to stop sending them"
            return len(points), f"metrics are not stored; {hint}"
        refused = max(gauge.receive(points) for gauge in mine)
        return refused, TOO_MANY if refused else ""


NO_METRICS = MetricsReceiver(())
"""Nothing is wanted."""
