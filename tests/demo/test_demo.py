"""The demonstration: real flights, a real model, faults on request, through the daemon's own front door."""

import itertools
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitor.config.root import load
from monitor.config.rule_files import rules_of
from monitor.demo import flights, history, incidents
from monitor.demo.flights import FlightSplit
from monitor.demo.incidents import FaultKind, FeatureServiceError, Switch, disturb
from monitor.demo.model import LateModel, train
from monitor.demo.process import answering, check_running, health_problem, write_configuration
from monitor.demo.runner import inject
from monitor.demo.serving import PER_SECOND, Serving, endless
from monitor.errors import InputError, WatchkeeperError
from monitor.store import streams
from monitor.store.db import Store
from monitor.web.services import Readiness
from tests.support import clients, http
from tests.support.daemon import Daemon
from tests.support.ports import free_port
from tests.support.server import serving
from tests.support.waiting import until

NOW = 1_795_420_800.0


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return flights.load()


@pytest.fixture(scope="module")
def trained(table: pa.Table) -> tuple[LateModel, pa.Table]:
    return train(flights.shuffled(table, FlightSplit.TRAINING).slice(0, 7000))


def test_flights_come_in_order_with_their_weather(table: pa.Table) -> None:
    assert table.num_rows > 300_000
    departed = table["departed"].to_numpy()
    assert (departed[1:] >= departed[:-1]).all()
    assert table["temp"].null_count < 0.01 * table.num_rows
    assert 0.2 < pc.mean(pc.cast(table["late"], pa.float64())).as_py() < 0.3


def test_a_flight_is_dealt_once(table: pa.Table) -> None:
    named = table.append_column("row", pa.array(range(table.num_rows)))
    parts = [flights.shuffled(named, part) for part in FlightSplit]
    rows = [row for part in parts for row in part["row"].to_pylist()]
    assert len(rows) == len(set(rows)) > 80_000
    assert {month for part in parts for month in part["month"].to_pylist()} == {6, 7, 8}
    hours = [pc.mean(part["hour"]).as_py() for part in parts]
    assert max(hours) - min(hours) < 0.1


def test_the_model_is_better_than_always_saying_on_time(trained: tuple[LateModel, pa.Table]) -> None:
    _, baseline = trained
    right = pc.mean(
        pc.cast(pc.equal(baseline["prediction"], baseline["outcome.truth"]), pa.float64())
    ).as_py()
    always = pc.mean(pc.cast(pc.equal(baseline["outcome.truth"], "on time"), pa.float64())).as_py()
    assert right > always + 0.03


def test_errors_strike_every_third_flight_and_the_others_pass() -> None:
    features: dict[str, object] = {"distance": 100, "temp": 50.0}
    struck = []
    for turn in range(6):
        try:
            assert disturb(FaultKind.ERRORS, features, turn) == features
        except FeatureServiceError:
            struck.append(turn)
    assert struck == [0, 3]


def test_drift_is_a_change_of_units_and_latency_a_wait() -> None:
    features: dict[str, object] = {"distance": 100, "temp": 50.0}
    assert disturb(FaultKind.DRIFT, features, 1) == {"distance": 161, "temp": 10.0}
    waited: list[float] = []
    assert disturb(FaultKind.LATENCY, features, 1, waited.append) == features
    assert waited == [0.15]
    assert disturb(FaultKind.DRIFT, {"distance": 100, "temp": None}, 1)["temp"] is None


def test_an_incident_lasts_two_minutes_for_whoever_reads_the_switch(tmp_path: Path) -> None:
    switch = Switch(tmp_path, FaultKind)
    assert switch.current(NOW) is None
    switch.turn_on(FaultKind.SILENCE, NOW)
    assert Switch(tmp_path, FaultKind).current(NOW + incidents.SECONDS - 1) is FaultKind.SILENCE
    assert switch.current(NOW + incidents.SECONDS) is None


def test_what_is_served_arrives_in_the_daemon_with_its_truth(
    tmp_path: Path, table: pa.Table, trained: tuple[LateModel, pa.Table]
) -> None:
    with (
        Daemon(tmp_path, "evaluate: {every: 200ms}\nnotify: {console: false}\n") as daemon,
        http.client() as session,
    ):
        serving = Serving(trained[0], daemon.url, Switch(tmp_path, FaultKind), endless(table, 200_000))
        began = time.time()
        served = sum(serving.second(session, began - 100 + second) for second in range(20))
        assert served == 20 * PER_SECOND
        serving.second(session, began)  # by now the truth about the first ones is known
        until(lambda: _rows(daemon) == served + PER_SECOND, "all flights are in the log")
        metrics = until(lambda: _counted(daemon, served + PER_SECOND), "all flights are counted")
        assert 'client="skyline"' in metrics


def test_history_ends_now_and_is_not_loaded_as_the_present(
    tmp_path: Path, trained: tuple[LateModel, pa.Table]
) -> None:
    loaded = history.load(tmp_path, trained[0], NOW)
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    with store.read() as connection:
        (figures,) = streams.figures_of_all(connection)
    assert figures.rows == loaded > 20_000
    assert figures.watermark is not None
    assert 0 <= NOW - figures.watermark < 3600


def test_the_training_set_can_be_a_baseline_file(tmp_path: Path, trained: tuple[LateModel, pa.Table]) -> None:
    pq.write_table(trained[1], tmp_path / "training.parquet")
    names = set(pq.read_schema(tmp_path / "training.parquet").names)
    assert {"features.carrier", "prediction", "confidence", "latency_ms", "outcome.truth"} <= names


def _rows(daemon: Daemon) -> int:
    with Store(daemon.store_url).read() as connection:
        return sum(figures.rows for figures in streams.figures_of_all(connection))


def _counted(daemon: Daemon, rows: int) -> str:
    text = daemon.get("/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("watchkeeper_predictions_total{")]
    total = sum(float(line.rpartition(" ")[2]) for line in counted)
    return text if total == rows else ""


def test_flights_go_round_and_round() -> None:
    table = pa.table({"flight": [1, 2, 3]})
    assert [row["flight"] for row in itertools.islice(endless(table, 2), 5)] == [3, 1, 2, 3, 1]


def test_the_configuration_that_the_demonstration_writes_is_in_order(tmp_path: Path) -> None:
    (tmp_path / "training.parquet").touch()
    write_configuration(tmp_path, 8080)
    config = load(tmp_path / "watchkeeper.yaml")
    assert config.clients["skyline"].models["late-arrival"].title == "Late arrivals"
    assert rules_of(config).rule("NoPredictions") is not None


def test_an_incident_without_a_demonstration_says_why_and_how_to_start_one(tmp_path: Path) -> None:
    ended = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "running").write_text(ended)
    for folder in (tmp_path, tmp_path / "never"):
        with pytest.raises(WatchkeeperError, match=f"not ready: none runs in {folder} ") as caught:
            inject(folder, "errors", lambda _: None)
        assert "watchkeeper demo" in str(caught.value.hint)
        assert not (folder / "incident.json").exists()


def test_a_running_demonstration_is_known_by_its_folder_and_has_it_alone(tmp_path: Path) -> None:
    shop, daemon, other = clients.opened(tmp_path, hours=1), _a_process(), _a_process()
    with serving(shop) as web:
        url = str(web.base_url)
        with answering(daemon, tmp_path, url):
            check_running(tmp_path, "watchkeeper demo")
            with pytest.raises(InputError, match="is already running"), answering(other, tmp_path, url):
                pass
            check_running(tmp_path, "watchkeeper demo")
        with pytest.raises(WatchkeeperError, match="none runs"):
            check_running(tmp_path, "watchkeeper demo")
    assert daemon.poll() is not None
    assert other.poll() is not None


def _a_process() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "600"])


def test_a_daemon_that_cannot_work_says_why(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    with serving(shop, ready=lambda: Readiness(False, ("no tick ended",))) as web:
        assert health_problem(str(web.base_url)) == "no tick ended"
    with serving(shop) as web:
        assert health_problem(str(web.base_url)) == ""
