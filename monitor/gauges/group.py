"""All gauges of a daemon: read at their intervals, and stored together."""

import math
import platform
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from monitor.clock import Clock
from monitor.gauges.metrics_endpoints.otlp_metrics import MetricsReceiver, OtlpMetrics, OtlpMetricsSettings
from monitor.gauges.reading import GaugeError, GaugeReader, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.runtime.scheduler import Scheduler
from monitor.store import gauges
from monitor.store.db import Store
from monitor.store.gauges import GaugeKey

STORE_INTERVAL = 5.0
FIRST_READING = 1.0
"""Seconds after the start."""
MOST_READINGS = 500
"""Readings of one gauge at a time; more would be a label with endless values."""
_MOST_WAITING = 50_000
"""Readings kept while the database is not available."""


@dataclass(frozen=True, slots=True)
class GaugeFailure:
    """Why a gauge cannot be read, and since when, in seconds since the epoch."""

    since: float
    reason: str


class GaugeGroup:
    """One reader per section of `gauges`. `is_leader` says whether this daemon reads what all daemons could read.

    `metrics` takes what applications send to gauges of the kind `otlp`.
    """

    def __init__(
        self,
        settings: Mapping[str, GaugeSettings],
        store: Store,
        clock: Clock,
        is_leader: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings, self._store, self._clock, self._is_leader = settings, store, clock, is_leader
        received = {
            name: OtlpMetrics(one) for name, one in settings.items() if isinstance(one, OtlpMetricsSettings)
        }
        self.metrics = MetricsReceiver(list(received.values()))
        self._readers: dict[str, GaugeReader] = {**received}
        self._instance = platform.node()[: gauges.INSTANCE]
        self._failures: dict[str, GaugeFailure] = {}
        self._waiting: list[tuple[GaugeKey, float, float]] = []
        self._lock = threading.Lock()  # each gauge is read in a thread of its own

    def schedule(self, scheduler: Scheduler) -> None:
        """Read each gauge at its interval, and store what was read."""
        for name, section in self._settings.items():
            job = partial(self.read, name)
            scheduler.every(section.every, f"read gauge {name}", job, first=FIRST_READING)
        if self._settings:
            scheduler.every(STORE_INTERVAL, "store gauges", self.write)

    def failures(self) -> Mapping[str, GaugeFailure]:
        """The gauges that this daemon cannot read now, by name."""
        return dict(self._failures)

    def read(self, name: str) -> None:
        """Read one gauge. If it cannot be read, its figures are unknown."""
        section = self._settings[name]
        if not section.is_local and not self._is_leader():
            self._readers.pop(name, None)  # counters go on meanwhile: what was read before is no beginning
            self._failures.pop(name, None)
            return
        try:
            if name not in self._readers:
                self._readers[name] = section.make_reader()
            readings = self._readers[name].read()
        except GaugeError as error:
            self._note(name, str(error))
            return
        except Exception as error:
            self._note(name, f"{type(error).__name__}: {error}")
            raise
        if len(readings) > MOST_READINGS:
            self._note(
                name, f"it has {len(readings):,} figures, more than {MOST_READINGS}: name fewer series"
            )
            return
        self._failures.pop(name, None)
        self._keep(name, section, readings)

    def write(self) -> None:
        """Store the readings since the last call."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            with self._store.write() as connection:
                for moment in sorted({at for _, _, at in waiting}):
                    gauges.add(
                        connection, [(key, value) for key, value, at in waiting if at == moment], moment
                    )
        except Exception:
            with self._lock:
                self._waiting = [*waiting, *self._waiting][-_MOST_WAITING:]
            raise

    def _note(self, name: str, reason: str) -> None:
        known = self._failures.get(name)
        since = self._clock.now() if known is None else known.since
        self._failures[name] = GaugeFailure(since, reason[:500])

    def _keep(self, name: str, section: GaugeSettings, readings: Iterable[Reading]) -> None:
        now = self._clock.now()
        instance = self._instance if section.is_local else ""
        for reading in readings:
            if math.isfinite(reading.value):
                resource = reading.resource.replace("\0", "\N{REPLACEMENT CHARACTER}")[: gauges.RESOURCE]
                key = GaugeKey(section.watched_stream, name, instance, reading.quantity.value, resource)
                with self._lock:
                    self._waiting.append((key, reading.value, now))
