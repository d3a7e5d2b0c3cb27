"""What `status` and the engineers' page say of a stream besides its figures."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor import status
from monitor.config.units import HOUR
from monitor.health import client_state
from monitor.health.settings import ClientSettings, ModelView
from monitor.lake.run import LakeSettings, profile_lake
from monitor.maintenance.baseline_selection import BaselineSelector
from monitor.sources.files import locations
from monitor.store import measurements, outcomes, probes, streams, timeseries
from monitor.store.probes import Probed
from monitor.store.retention import delete_old, with_old
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon, measuring_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def told(daemon: MeasuringDaemon) -> str:
    with daemon.store.read() as connection:
        figures = streams.figures(connection, STREAM)
        assert figures is not None
        hour = measurements.latest(connection, STREAM, HOUR)
        return "\n".join(status.notes(connection, figures, MINUTE, hour, NOW))


def trained(rows: int, **columns: object) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"amount": rng.normal(size=rows), "prediction": ["ok"] * rows, **columns})


def keep(daemon: MeasuringDaemon, table: pa.Table) -> float | None:
    keeper = BaselineSelector(daemon.store, MINUTE, WindowSettings(), {})
    return keeper.put_in_force(from_table(STREAM, table, NOW), daemon.clock.now())


def test_outcomes_that_wait_for_their_prediction_are_told(daemon):
    daemon.predict(3)
    daemon.send_outcomes("p0", truth="ok")
    daemon.measure()
    assert "outcomes" not in told(daemon)
    daemon.send_outcomes("nobody", "somebody", truth="ok")
    daemon.measure()
    assert "outcomes: 3 received, 2 waiting for their prediction, 0 never matched" in told(daemon)


def test_a_new_layout_says_from_when_figures_can_be_compared(daemon, tmp_path):
    """The rows of the first hour are no longer kept when the second baseline comes, so only later ones count again."""
    keep(daemon, trained(300))
    daemon.predict(20, features={"amount": 1.0, "age": 30.0})
    daemon.clock.advance(3600)
    daemon.predict(20, features={"amount": 1.0, "age": 30.0})
    daemon.measure()
    assert "compared" not in told(daemon)
    with daemon.store.write() as connection:
        aged = outcomes.AGED_PREDICTIONS
        assert delete_old(connection, aged, with_old(connection, aged, NOW + 1800), NOW + 1800) > 0
    since = keep(daemon, trained(300, age=np.arange(300.0)))
    assert since == NOW + 3600
    assert "figures can be compared with the baseline since 2026-11-23T09:00:00Z" in told(daemon)


def test_history_of_an_older_baseline_is_to_be_profiled_again(daemon, tmp_path):
    keep(daemon, trained(300))
    times = (
        pa.array((NOW - 86400 + np.arange(300) * 60) * 1e6).cast(pa.int64()).cast(pa.timestamp("us", "UTC"))
    )
    pq.write_table(trained(300, timestamp=times), tmp_path / "lake.parquet")
    files = locations.find_locations([str(tmp_path / "lake.parquet")])
    done = profile_lake(daemon.store, files, STREAM, 3600, LakeSettings(), NOW)
    assert "profile them again" not in told(daemon)
    keep(daemon, trained(300, age=np.arange(300.0)))
    assert f"profiled with an earlier baseline: {len(done.windows)} windows of history" in told(daemon)


def test_availability_is_kept_for_each_hour_with_its_interval(daemon):
    with daemon.store.write() as connection:
        for second in range(0, 600, 10):
            probes.put(connection, Probed(STREAM, NOW + second, second != 0, 0.01, "ok"))
    daemon.predict(5)
    daemon.clock.advance(3700)
    daemon.predict(5)
    daemon.measure()
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
    daemon.measure()
    daemon.clock.advance(120)
    daemon.measure()
    assert (
        "features in the last hour: device not in the baseline; "
        "amount with a different data type or vector length than in the baseline; "
        "country without values now"
    ) in told(daemon)


def test_what_drift_waits_for_is_told_exactly_before_and_after_a_past_is_there(daemon):
    daemon.predict(20, features={"amount": 1.0})
    daemon.measure()
    before = told(daemon)
    assert (
        "no baseline yet: drift and comparisons are not measured. It is created from the first 1d" in before
    )
    assert "at least 1,000 predictions (so far 20 in 0s)" in before
    assert "watchkeeper baseline set acme/fraud TRAINING_FILE" in before
    assert "until there is enough to learn from: there is no baseline" in before
    keep(daemon, trained(300))
    daemon.clock.advance(3600)
    daemon.predict(200, features={"amount": 1.0})
    daemon.measure()
    text = told(daemon)
    assert re.search(r": [12] of 100 windows of \d+\w+ are counted with the current baseline \(", text), text
    assert re.search(r"; 9[89] more are needed, which takes at least ", text), text


def test_while_a_past_is_being_counted_it_is_not_asked_for(daemon):
    keep(daemon, trained(300))
    daemon.predict(200, features={"amount": 1.0})

    def later() -> str:
        with daemon.store.read() as connection:
            figures = streams.figures(connection, STREAM)
            assert figures is not None
            return "\n".join(status.notes(connection, figures, MINUTE, (), NOW + 2 * HOUR))

    before = later()
    assert "until there is enough to learn from: older predictions are still being counted" in before
    assert "more are needed" not in before
    daemon.measure()
    after = later()
    assert "still being counted" not in after
    assert "more are needed" in after


def test_a_model_that_no_configuration_names_is_unknown_to_status_and_hidden_from_the_client(daemon):
    daemon.predict(20)
    daemon.measure()
    configured = status.Configured(models={"acme": ["fraud-check", "churn"], "globex": []})
    with daemon.store.read() as connection:
        lines = status.overview(connection, MINUTE, daemon.clock.now(), configured=configured)
        [line], others = (
            [one for one in lines if one.stream == STREAM],
            [one for one in lines if one.stream != STREAM],
        )
        named = ClientSettings(models={"fraud-check": ModelView()})
        page = client_state.client(connection, "acme", named, daemon.clock.now())
        open_page = client_state.client(connection, "acme", ClientSettings(), daemon.clock.now())
    assert line.notes[0].startswith(
        "unknown model (did you mean 'fraud-check'?): it is not under clients.acme.models"
    )
    assert [(one.stream.model, one.state, one.reasons, one.silent_for) for one in others] == [
        (name, "unknown", ("has not sent any data yet",), None) for name in ("churn", "fraud-check")
    ]
    assert status.as_text(status.answer(others[0])) == [
        "? unknown   acme/churn/production  not measured yet  (newest data: none)",
        "    has not sent any data yet",
    ]
    assert page is not None
    assert [one.stream.model for one in page.models] == ["fraud-check"]
    assert open_page is not None
    assert [one.stream.model for one in open_page.models] == ["fraud"]
    assert status.unknown_model(STREAM, {}) == []
    assert status.unknown_model(STREAM, {"acme": ["fraud"]}) == []


def test_segments_with_more_values_than_are_counted_are_told_and_their_figures_are_exact(daemon):
    for number in range(30):
        daemon.predict(
            4, segments={f"city{place}": f"{number % 8}" for place in range(2)} | {"user": f"u{number}"}
        )
    daemon.measure()
    assert "too many values" not in told(daemon)
    for number in range(60):
        daemon.predict(1, segments={"user": f"v{number}"})
    daemon.measure()
    assert (
        "segments with too many values: user. In a window, 50 values of each are counted separately, those that were "
        "frequent in the baseline first; the others count in the total only (windows.max_segments)"
    ) in told(daemon)
    daemon.predict(1, segments={f"name {place}": "x" for place in range(60)})
    daemon.measure()
    assert "more than 50 segments in a window: 50 are counted" in told(daemon)
