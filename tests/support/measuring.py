"""Ingest, counting and measuring of a daemon without threads, with a clock that the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.clock import ManualClock
from monitor.drift.settings import DriftSettings
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.measure import Measurer
from monitor.evaluation.recent_window import RecentWindow
from monitor.evaluation.stream_measurement import MeasurerSettings
from monitor.metrics import MetricSettings
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.writer import PredictionLog
from monitor.records import Measurement, Stream
from monitor.rules.engine.readings import OPEN, Readings
from monitor.store.db import Store
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send

MINUTE = 60


@dataclass
class MeasuringDaemon:
    """`measure` counts and measures what was sent, at the time of `clock`."""

    store: Store
    log: PredictionLog
    clock: ManualClock
    lengths: tuple[int, ...] = (OPEN, 300)
    metrics: frozenset[str] = frozenset({"volume", "latency_p95", "error_rate"})
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))
    history_seconds: float = 60.0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Lose what was only in memory, as a killed process does."""
        self.recent = RecentWindow(15.0, self.clock.now)
        wall = ClockMetrics(self.store, lambda _: True, lambda start, end: end - start)
        settings = MeasurerSettings(
            MINUTE, WindowSettings(), MetricSettings(), DriftSettings(), history_seconds=self.history_seconds
        )
        self.measuring = Measurer(self.store, settings, self.recent, wall)

    def predict(self, count: int, at: float | None = None, **fields: Any) -> None:
        """Send `count` predictions with the time `at`, by default the time of the clock."""
        timestamp = self.clock.now() if at is None else at
        rows = [prediction(id=f"p{next(self.numbers)}", timestamp=timestamp, **fields) for _ in range(count)]
        assert send(self.log, RecordKind.PREDICTIONS, rows).accepted == count

    def send_outcomes(self, *identities: str, **fields: Any) -> None:
        """Send one outcome for each identity."""
        rows = [outcome(id=identity, timestamp=self.clock.now(), **fields) for identity in identities]
        assert send(self.log, RecordKind.OUTCOMES, rows).accepted == len(rows)

    def count(self) -> None:
        """Count new rows, without measuring."""
        count_new(self.store, WindowSettings(), self.clock.now(), self.recent.add)

    def measure(self) -> Readings:
        """Count and measure, as a tick does."""
        self.count()
        metrics = dict.fromkeys(self.lengths, self.metrics)
        return self.measuring.measure(metrics, [], self.clock.now())

    def measurement(
        self, readings: Readings, metric: str, seconds: int = MINUTE, stream: Stream = STREAM
    ) -> Measurement:
        """The one measurement of a metric without labels."""
        (measurement,) = (m for m in readings.find(stream, seconds, metric) if not m.labels)
        return measurement


@contextmanager
def measuring_daemon(folder: Path, start: float = NOW) -> Iterator[MeasuringDaemon]:
    """A new daemon with an empty database; its clock starts at 08:00 UTC."""
    clock = ManualClock(start)
    with running(folder, clock) as (log, store):
        yield MeasuringDaemon(store, log, clock)
