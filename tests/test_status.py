"""What `status` and the engineers' page say of a stream besides its figures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor import status
from monitor.lake.run import Lake, profile_lake
from monitor.sources import places
from monitor.store import measurements, outcomes, probes, register, timeseries
from monitor.store.ageing import delete_old, with_old
from monitor.store.probes import Probed
from monitor.upkeep.baselines import Baselines
from monitor.windows import baseline
from monitor.windows.reference import from_table
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM
from tests.support.world import MINUTE, World, world


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as fresh:
        yield fresh


def told(daemon: World) -> str:
    with daemon.store.read() as connection:
        figures = register.figures(connection, STREAM)
        assert figures is not None
        hour = measurements.latest(connection, STREAM, status.HOUR)
        return "\n".join(status.notes(connection, figures, MINUTE, hour))


def trained(rows: int, **columns: object) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"amount": rng.normal(size=rows), "prediction": ["ok"] * rows, **columns})


def keep(daemon: World, table: pa.Table) -> float | None:
    keeper = Baselines(daemon.store, MINUTE, WindowSettings(), {})
    return keeper.put_in_force(from_table(STREAM, table, NOW), daemon.clock.now())


def test_outcomes_that_wait_for_their_prediction_are_told(daemon):
    daemon.predict(3)
    daemon.tell("p0", truth="ok")
    daemon.look()
    assert "outcomes" not in told(daemon)
    daemon.tell("nobody", "somebody", truth="ok")
    daemon.look()
    assert "outcomes: 3 came in, 2 wait for their prediction, 0 were given up" in told(daemon)


def test_a_new_layout_says_from_when_figures_can_be_compared(daemon, tmp_path):
    """The rows of the first hour are no longer kept when the second baseline comes, so only later ones count again."""
    keep(daemon, trained(300))
    daemon.predict(20, features={"amount": 1.0, "age": 30.0})
    daemon.clock.advance(3600)
    daemon.predict(20, features={"amount": 1.0, "age": 30.0})
    daemon.look()
    assert "compared" not in told(daemon)
    with daemon.store.write() as connection:
        aged = outcomes.AGED_PREDICTIONS
        assert delete_old(connection, aged, with_old(connection, aged, NOW + 1800), NOW + 1800) > 0
    since = keep(daemon, trained(300, age=np.arange(300.0)))
    assert since == NOW + 3600
    assert "figures can be compared with the baseline from 2026-11-23T09:00:00Z on" in told(daemon)


def test_history_of_an_older_baseline_is_to_be_profiled_again(daemon, tmp_path):
    keep(daemon, trained(300))
    times = (
        pa.array((NOW - 86400 + np.arange(300) * 60) * 1e6).cast(pa.int64()).cast(pa.timestamp("us", "UTC"))
    )
    pq.write_table(trained(300, timestamp=times), tmp_path / "lake.parquet")
    files = places.find([str(tmp_path / "lake.parquet")])
    done = profile_lake(daemon.store, files, STREAM, 3600, Lake(), NOW)
    assert "profile them again" not in told(daemon)
    keep(daemon, trained(300, age=np.arange(300.0)))
    assert f"{len(done.windows)} windows of history were counted before the present baseline" in told(daemon)


def test_availability_is_kept_for_each_hour_with_its_interval(daemon):
    with daemon.store.write() as connection:
        for second in range(0, 600, 10):
            probes.put(connection, Probed(STREAM, NOW + second, second != 0, 0.01, "ok"))
    daemon.predict(5)
    daemon.clock.advance(3700)
    daemon.predict(5)
    daemon.look()
    with daemon.store.read() as connection:
        hours = timeseries.load(connection, STREAM, "availability", 3600, NOW, NOW + 3600)
    assert hours.values[0] == pytest.approx(59 / 60)
    assert hours.n[0] == 60
    assert hours.low[0] < 59 / 60 < hours.high[0]


def test_a_baseline_in_force_stays_when_it_is_put_again(daemon):
    keep(daemon, trained(300))
    assert keep(daemon, trained(300)) is None
    with daemon.store.read() as connection:
        assert baseline.load(connection, STREAM) is not None


def test_features_that_came_went_or_changed_their_type_are_told(daemon):
    keep(daemon, trained(300, country=["DE"] * 300))
    daemon.predict(200, features={"amount": "n/a", "device": "ios"})
    daemon.look()
    daemon.clock.advance(120)
    daemon.look()
    assert (
        "features in the last hour: device not in the baseline; "
        "amount with texts where the baseline has numbers, or vectors of another length; "
        "country without any value now"
    ) in told(daemon)
