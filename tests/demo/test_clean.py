"""Nobody is told anything of a demonstration in which nothing was broken; of one in wrong units, somebody is."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.demo import flights, history
from monitor.demo.flights import FlightSplit
from monitor.demo.model import LateModel, load_or_train, predicted
from monitor.demo.process import STREAM, write_configuration
from monitor.demo.serving import PER_SECOND, VERSION
from monitor.predictions.log.batch import split
from monitor.records import Severity, Stream
from monitor.store import alerts, drift
from tests.support.thorough import THOROUGH

MORNING = 1_795_420_800.0
"""Eight in the morning in London, when few flights leave New York."""
HERE = Stream(STREAM["client"], STREAM["model"], STREAM["environment"])
MINUTE, HOUR = 60, 3600


@dataclass
class Demonstration:
    """The demonstration without its processes: what it serves comes into a daemon that is moved by hand."""

    app: App
    clock: ManualClock
    flights: pa.Table
    said: pa.Table
    served: int = 0
    latencies: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def serve(self, seconds: int) -> None:
        """Flights for so long, with a tick every minute and the chance to learn every ten minutes."""
        for second in range(0, seconds, MINUTE):
            self.clock.advance(MINUTE)
            self._send(MINUTE * PER_SECOND)
            if second % 600 == 0:
                self.app.baselines.update(self.clock.now())
                self.app.jobs.learn()
            self.app.tick()

    def mistake_units(self) -> None:
        """From now on distances are kilometres, whatever the model makes of them."""
        at = self.said.column_names.index("features.distance")
        self.said = self.said.set_column(at, "features.distance", pc.multiply(self.said.column(at), 1.609))

    def is_watching(self) -> bool:
        """Whether the past was taken in and drift is judged."""
        with self.app.store.read() as connection:
            return drift.state(connection, HERE) is not None

    def told(self) -> set[str]:
        """The rules that told somebody more than the digest does."""
        with self.app.store.read() as connection:
            found = alerts.load(connection).values()
        return {one.rule for one in found if one.episode and one.severity is not Severity.INFO}

    def drifted(self) -> list[str]:
        """The columns of drift incidents; that drift was judged until now is made sure of."""
        with self.app.store.read() as connection:
            state = drift.state(connection, HERE)
            assert state is not None
            assert state.judged_until > self.clock.now() - 2 * HOUR
            return [name for incident in drift.incidents(connection, HERE) for name in incident.columns]

    def _send(self, count: int) -> None:
        rows = (self.served + np.arange(count)) % self.said.num_rows
        names = pa.array([f"flight-{self.served + index}" for index in range(count)])
        self.served += count
        seconds = self.clock.now() - (count - np.arange(count)) / PER_SECOND
        times = pa.array((seconds * 1e6).astype(np.int64))
        late = self.flights["late"].to_numpy()[rows]
        columns = {"id": names, "timestamp": times}
        table = (
            self.said.take(rows)
            .append_column("id", names)
            .append_column("timestamp", times)
            .append_column("version", pa.array([VERSION] * count))
            .append_column("latency_ms", pa.array(self.latencies.lognormal(1.0, 0.2, count)))
        )
        truth = pa.array(np.where(late, "late", "on time")).dictionary_encode()
        self.app.log.append(split(HERE, history.one_batch(table), int(self.app.log.settings.base_window)))
        self.app.log.append_outcomes(HERE, pa.RecordBatch.from_pydict({**columns, "truth": truth}))


def begun(folder: Path, model: LateModel) -> Demonstration:
    write_configuration(folder, 8080)
    history.load(folder, model, MORNING)
    live = flights.shuffled(flights.load(), FlightSplit.LIVE)
    clock = ManualClock(MORNING)
    app = App(load(folder / "watchkeeper.yaml"), clock)
    return Demonstration(app, clock, live, predicted(live, model.answers(live)))


@pytest.mark.skipif(not THOROUGH, reason="thorough runs only")
@pytest.mark.timeout(900)  # hours of flights
def test_nobody_is_told_of_anything_until_units_are_wrong_which_is_drift(tmp_path: Path) -> None:
    shown = begun(tmp_path, load_or_train(tmp_path))
    shown.app.log.start()
    for _ in range(36):  # six hours at most: how much of the past a tick takes in depends on the machine
        if not shown.is_watching():
            shown.serve(10 * MINUTE)
    shown.serve(12 * HOUR)
    assert shown.told() == set()
    assert shown.drifted() == []

    shown.mistake_units()
    for _ in range(12):  # two hours at most
        if "SignificantDrift" not in shown.told():
            shown.serve(10 * MINUTE)
    assert "SignificantDrift" in shown.told()
    assert "features.distance" in shown.drifted()
    shown.app.log.stop()
    shown.app.store.close()
