"""A daemon without threads: a store, a prediction log and a clock that a test moves by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.clock import ManualClock
from monitor.drift.settings import DriftSettings
from monitor.metrics import MetricSettings
from monitor.predictions.intake import Kind
from monitor.predictions.log import PredictionLog
from monitor.readings.measuring import Measuring
from monitor.readings.recent import Recent
from monitor.readings.wallclock import WallClock
from monitor.records import Measurement, Stream
from monitor.rules.readings import OPEN, Readings
from monitor.store.db import Store
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send

MINUTE = 60


@dataclass
class World:
    """What is sent is counted and measured when `look` is called, at the time of its clock."""

    store: Store
    log: PredictionLog
    clock: ManualClock
    lengths: tuple[int, ...] = (OPEN, 300)
    metrics: frozenset[str] = frozenset({"volume", "latency_p95", "error_rate"})
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that was only in memory, as a killed process does."""
        self.recent = Recent(15.0, self.clock.now)
        wall = WallClock(self.store, lambda _: True, lambda start, end: end - start)
        settings = (WindowSettings(), MetricSettings(), DriftSettings())
        self.measuring = Measuring(self.store, MINUTE, *settings, self.recent, wall)

    def predict(self, count: int, at: float | None = None, **fields: Any) -> None:
        """Take in predictions of one moment; the clock's, if none is given."""
        moment = self.clock.now() if at is None else at
        rows = [prediction(id=f"p{next(self.numbers)}", timestamp=moment, **fields) for _ in range(count)]
        assert send(self.log, Kind.PREDICTIONS, rows).accepted == count

    def tell(self, *identities: str, **fields: Any) -> None:
        """Take in outcomes."""
        rows = [outcome(id=identity, timestamp=self.clock.now(), **fields) for identity in identities]
        assert send(self.log, Kind.OUTCOMES, rows).accepted == len(rows)

    def count(self) -> None:
        """Count what came in, and go no further."""
        count_new(self.store, WindowSettings(), self.clock.now(), self.recent.add)

    def look(self) -> Readings:
        """Count and measure, as a tick does."""
        self.count()
        read = dict.fromkeys(self.lengths, self.metrics)
        return self.measuring.measure(read, [], self.clock.now())

    def figure(
        self, readings: Readings, metric: str, seconds: int = MINUTE, stream: Stream = STREAM
    ) -> Measurement:
        """The one measurement of a metric without labels."""
        (found,) = (m for m in readings.find(stream, seconds, metric) if not m.labels)
        return found


@contextmanager
def world(folder: Path, start: float = NOW) -> Iterator[World]:
    """A fresh one, at eight in the morning."""
    clock = ManualClock(start)
    with running(folder, clock) as (log, store):
        yield World(store, log, clock)
