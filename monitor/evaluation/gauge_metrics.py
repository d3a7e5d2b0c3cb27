"""Measures what gauges have read: resources, queues and model servers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from monitor.config.units import HOUR, MINUTE
from monitor.gauges.forecast import hours_left
from monitor.gauges.group import GaugeFailure
from monitor.gauges.reading import Quantity
from monitor.gauges.settings import GaugeSettings
from monitor.metrics import MetricInfo
from monitor.metrics.system import resources
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.store import gauges
from monitor.store.db import Store
from monitor.store.gauges import GaugeKey, GaugeSums

RECENT, LONG = 5 * MINUTE, 30 * MINUTE
"""Seconds over which levels are averaged, and over which kills and faults are counted."""
EVERY = 5.0
FORECAST_EVERY = 600.0
_NEVER_FULL = ("cpu", "container_cpu", "gpu:", "kv_cache")
"""Resources that are used and free again within seconds: no trend says when they are used up."""


class GaugeMetrics:
    """Reads the stored readings of all gauges. `failures` says which of them cannot be read now."""

    def __init__(
        self,
        store: Store,
        settings: Mapping[str, GaugeSettings],
        failures: Callable[[], Mapping[str, GaugeFailure]] = dict,
    ) -> None:
        self._store, self._settings, self._failures = store, settings, failures
        self._measured: dict[Stream, list[Measurement]] = {}
        self._measured_at = float("-inf")
        self._known: dict[str, dict[tuple[str, Labels], Measurement]] = {}
        self._forecasts: dict[GaugeKey, tuple[float, tuple[float | None, str]]] = {}

    def measure(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        """Every figure of the gauges at `now`, by the stream that it belongs to."""
        if self._settings and not 0 <= now - self._measured_at < EVERY:
            measured: dict[Stream, list[Measurement]] = {}
            for name, section in self._settings.items():
                with self._store.faults.isolate("figures of gauges", name):
                    measured.setdefault(section.watched_stream, []).extend(self._of(name, section, now))
            self._measured, self._measured_at = measured, now
        return self._measured

    def _of(self, name: str, section: GaugeSettings, now: float) -> Iterator[Measurement]:
        failure = self._failures().get(name)
        with self._store.read() as connection:
            stored = gauges.load(connection, section.watched_stream, name, now - LONG - MINUTE, now + MINUTE)
        measured: list[Measurement] = []
        for (instance, resource), keys in groupby(sorted(stored, key=_place), key=_place):
            sums = {key.quantity: stored[key] for key in keys}
            where = _Place(name, section, instance, resource, now)
            measured += where.measure(sums)
            if (used := sums.get(Quantity.USED_SHARE)) and not resource.startswith(_NEVER_FULL):
                measured += self._forecast(where, used)
        yield from measured
        yield from self._unknown(name, measured, failure.reason if failure else "it was not read", now)
        failing = 0.0 if failure is None else max(0.0, now - failure.since)
        yield _measurement(section.watched_stream, resources.GAUGE_FAILING_SECONDS, failing, now, gauge=name)

    def _unknown(
        self, name: str, measured: Sequence[Measurement], reason: str, now: float
    ) -> Iterator[Measurement]:
        """Figures that were known within the last day, and are not now."""
        present = {(one.metric, one.labels): one for one in measured if one.value is not None}
        known = self._known.get(name, {}) | present
        self._known[name] = known = {
            key: one for key, one in known.items() if one.window.end > now - 24 * HOUR
        }
        explained = {(one.metric, one.labels) for one in measured}
        window = Window(int(now - RECENT), int(now) + 1)
        for key, one in known.items():
            if key not in explained:
                yield replace(one, window=window, value=None, reason=reason)

    def _forecast(self, where: "_Place", used: Sequence[GaugeSums]) -> list[Measurement]:
        recent = where.recent(used)
        if not recent:
            return []
        key = where.key(Quantity.USED_SHARE)
        made, answer = self._forecasts.get(key, (float("-inf"), (None, "")))
        if not 0 <= where.now - made < FORECAST_EVERY:
            with self._store.read() as connection:
                hourly = gauges.hourly(connection, key, where.now - 72 * HOUR, where.now)
            answer = hours_left(hourly, recent[-1].mean, where.now)
            self._forecasts[key] = (where.now, answer)
        return [where.figure(resources.RESOURCE_HOURS_LEFT, answer[0], answer[1])]


def labelled(name: str, instance: str) -> str:
    """The label of a gauge: `machine/gpu-1` where each daemon reads its own machine, otherwise its name."""
    return f"{name}/{instance}" if instance else name


def _place(key: GaugeKey) -> tuple[str, str]:
    return key.instance, key.resource


class _Place:
    """One resource of one gauge, measured at one moment."""

    def __init__(self, name: str, section: GaugeSettings, instance: str, resource: str, now: float) -> None:
        self.name, self.section, self.instance, self.resource, self.now = (
            name,
            section,
            instance,
            resource,
            now,
        )

    def key(self, quantity: Quantity) -> GaugeKey:
        """The key of one of its figures."""
        return GaugeKey(self.section.watched_stream, self.name, self.instance, quantity.value, self.resource)

    def figure(self, info: MetricInfo, value: float | None, reason: str = "") -> Measurement:
        """A measurement of this resource."""
        return _measurement(
            self.section.watched_stream, info, value, self.now, reason,
            gauge=labelled(self.name, self.instance), resource=self.resource,
        )  # fmt: skip

    def recent(self, sums: Sequence[GaugeSums], seconds: float = RECENT) -> list[GaugeSums]:
        """The sums of the minutes that end within the last `seconds`."""
        return [one for one in sums if one.start + MINUTE > self.now - seconds and one.start <= self.now]

    def measure(self, sums: Mapping[str, Sequence[GaugeSums]]) -> Iterator[Measurement]:
        """All metrics that these quantities allow."""
        if used := self.recent(sums.get(Quantity.USED_SHARE, ())):
            share = sum(one.total for one in used) / sum(one.n for one in used)
            yield self.figure(resources.RESOURCE_USED_SHARE, share)
        yield from self._queue(sums)
        for quantity, info in (
            (Quantity.OUT_OF_MEMORY_KILLS, resources.OUT_OF_MEMORY_KILLS),
            (Quantity.GPU_FAULTS, resources.GPU_FAULTS),
        ):
            if counted := self.recent(sums.get(quantity, ()), LONG):
                yield self.figure(info, sum(one.total for one in counted))
        yield from self._rates(sums)

    def _queue(self, sums: Mapping[str, Sequence[GaugeSums]]) -> Iterator[Measurement]:
        limits = {Quantity.QUEUE_DEPTH: self.section.max_waiting, Quantity.QUEUE_AGE: self.section.max_age}
        shares = []
        for quantity, info in (
            (Quantity.QUEUE_DEPTH, resources.QUEUE_DEPTH),
            (Quantity.QUEUE_AGE, resources.QUEUE_AGE_SECONDS),
        ):
            if recent := self.recent(sums.get(quantity, ())):
                yield self.figure(info, recent[-1].mean)
                if limit := limits[quantity]:
                    shares.append(recent[-1].mean / limit)
        if shares:
            yield self.figure(resources.QUEUE_BACKLOG, max(shares))

    def _rates(self, sums: Mapping[str, Sequence[GaugeSums]]) -> Iterator[Measurement]:
        def total(quantity: Quantity) -> float | None:
            recent = self.recent(sums.get(quantity, ()))
            return sum(one.total for one in recent) if recent else None

        requests, failed = total(Quantity.REQUESTS), total(Quantity.FAILED_REQUESTS)
        if requests is not None:
            seconds = self.now - max(self.recent(sums[Quantity.REQUESTS])[0].start, self.now - RECENT)
            yield self.figure(resources.SERVER_REQUEST_RATE, requests / max(seconds, 1.0))
            if failed is not None:
                share = failed / requests if requests else None
                yield self.figure(resources.SERVER_ERROR_RATE, share, "" if requests else "no requests")
        timed, seconds_spent = total(Quantity.TIMED_REQUESTS), total(Quantity.REQUEST_SECONDS)
        if timed is not None and seconds_spent is not None:
            mean = seconds_spent / timed if timed else None
            yield self.figure(resources.SERVER_LATENCY_SECONDS, mean, "" if timed else "no requests")
        periods, throttled = total(Quantity.CPU_PERIODS), total(Quantity.CPU_THROTTLED_PERIODS)
        if periods and throttled is not None:
            yield self.figure(resources.CPU_THROTTLED_SHARE, min(1.0, throttled / periods))


def _measurement(
    stream: Stream, info: MetricInfo, value: float | None, now: float, reason: str = "", **where: str
) -> Measurement:
    window = Window(int(now - RECENT), int(now) + 1)
    return Measurement(
        stream, window, info.name, value, info.unit, info.better, labels=labels(**where), reason=reason
    )
