"""`watchkeeper loadtest`, with a second daemon and with an endpoint: exit codes, JSON, JUnit, nothing left behind."""

import contextlib
import json
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.errors import AccessError, InputError, NotFoundError, WatchkeeperError
from monitor.loadtest import report
from monitor.loadtest.lag import longest_lag
from monitor.loadtest.objectives import parse
from monitor.loadtest.run import Pace
from monitor.outgoing.persistent import Answer
from monitor.store.db import Store
from monitor.store.temporary_database import delete_abandoned
from tests.loadtest.virtual import SimulatedServer, run_on
from tests.support import fork_server, history
from tests.support.receiver import Receiver
from tests.support.waiting import until

CONFIG = """\
store: {url: "sqlite:///watch.db"}
predictions: {base_window: 1h}
clients: {acme: {models: {fraud: {title: "It costs $5"}}}}
notify: {console: false}
"""
SHORT = ("--duration", "1s", "--step", "1s", "--warm-up", "0s", "--up-to", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose model has a baseline and two days of traffic."""
    made = tmp_path_factory.mktemp("site")
    (made / "watchkeeper.yaml").write_text(CONFIG)
    file = history.file(
        made, 1_795_000_000 // 3600 * 3600 - 2 * history.DAY, 1_795_000_000 // 3600 * 3600, 3600, 40
    )
    called(made, "load", "acme/fraud", str(file))
    called(made, "baseline", "set", "acme/fraud", str(file))
    return made


def stored(folder: Path) -> list[tuple[Any, ...]]:
    """What a load test must not touch."""
    with contextlib.closing(sqlite3.connect(folder / "watch.db")) as database:
        tables = ("streams", "prediction_batches", "profiles", "measurements", "alerts", "outbox")
        return [database.execute(f"select count(*), max(rowid) from {table}").fetchone() for table in tables]


def called(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(
        app, [*words, "--config", str(folder / "watchkeeper.yaml")], catch_exceptions=False
    )


def test_a_second_daemon_is_loaded_and_nothing_is_left(folder: Path) -> None:
    before = stored(folder)
    junit, slo = folder / "load.xml", "errors<1%,lag<60s"
    done = called(
        folder,
        "loadtest",
        "acme/fraud",
        "--rate",
        "250/s",
        "--slo",
        slo,
        *SHORT,
        "--junit",
        str(junit),
        "--json",
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    [stage] = found["stages"]
    assert (stage["calls"], stage["failures"]) == (stage["due"], {})
    assert stage["due"] >= 250
    assert 0 <= stage["server"]["lag"] < 60
    assert stage["server"]["cores"] > 0
    assert found["holds"] == 250
    [suite] = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "0")
    assert not list(folder.glob(".loadtest-*"))
    assert stored(folder) == before


def test_the_second_daemon_ends_with_a_command_that_is_killed(folder: Path) -> None:
    config = str(folder / "watchkeeper.yaml")
    long = ("--rate", "5/s", "--duration", "10m", "--warm-up", "0s", "--up-to", "1")
    with (folder / "killed.log").open("wb") as log:
        streams = (0, log.fileno(), log.fileno())
        command = fork_server.start(
            "monitor", "loadtest", "acme/fraud", *long, "--config", config, streams=streams
        )

    def second_daemons() -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(folder / ".loadtest-").encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    try:
        until(lambda: second_daemons() and list(folder.glob(".loadtest-*/daemon.log")), "it runs")
    finally:
        command.kill()
        command.wait(300)
    until(lambda: not second_daemons(), "it has ended")
    (left,) = folder.glob(".loadtest-*")
    store = Store(f"sqlite:///{folder}/watch.db")
    assert delete_abandoned(store, left.stat().st_mtime + 3600) == 1
    store.close()
    assert not left.exists(), "the next load test deletes what this one left"


def test_an_endpoint_is_loaded_and_must_answer_first(folder: Path) -> None:
    with Receiver() as receiver:
        words = ("loadtest", "acme/fraud", "--url", f"{receiver.url}/p", "--slo", "errors<1%")
        done = called(folder, *words, "--rate", "250/s", *SHORT, "--expect", "ok")
        assert done.exit_code == 0, done.output
        assert "holds 250/s with at least 1x headroom" in done.stdout
        sent = [json.loads(one.body)["features"] for one in receiver.requests]
        assert {name for one in sent for name in one} == {"age", "amount", "country"}
        assert {one["country"] for one in sent} == {"DE", "FR", "IT"}
        assert len(sent) == 250 + 1
        receiver.statuses.append(401)
        with pytest.raises(WatchkeeperError, match="the first call to the model failed: HTTP 401"):
            called(folder, *words, "--rate", "250/s", *SHORT)
        with pytest.raises(WatchkeeperError, match="without the expected text"):
            called(folder, *words, "--rate", "250/s", *SHORT, "--expect", "score")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ((), InputError, "name a rate"),
        (("--rate", "1/s", "--like", "2x"), InputError, "name a rate"),
        (("--rate", "200"), InputError, "is not a rate"),
        (("--like", "x2\u202e"), InputError, r"--like: 'x2\\u202e' is not a number of times"),
        (("--like", "2x"), NotFoundError, "no traffic in the last four weeks"),
        (("--rate", "1/s", "--slo", "p95>1s"), InputError, "is not a limit"),
        (("--rate", "1/s", "--slo", "p95<1s,p95<2s"), InputError, "limited twice"),
        (("--rate", "1/s", "--slo", "errors<200%"), InputError, "not a share"),
        (("--rate", "1/s", "--slo", "p0<1s"), InputError, "no such percentile"),
        (("--rate", "1/s", "--slo", "lag<1s", "--url", "http://127.0.0.1:1/"), InputError, "--slo: lag"),
        (("--rate", "1/s", "--url", "http://192.0.2.1/"), AccessError, "nobody has confirmed"),
        (("--rate", "1/s", "--duration", "1ms"), InputError, "--duration"),
    ],
)
def test_what_cannot_be_tested_is_told(
    folder: Path, words: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        called(folder, "loadtest", "acme/fraud", *words)


def test_a_model_without_a_baseline_is_told(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="acme/churn/production has no baseline"):
        called(folder, "loadtest", "acme/churn", "--rate", "1/s")


def test_a_failed_test_as_text_json_and_junit() -> None:
    hostile = 'HTTP 500: "<\u2028&\x00\ud800>' + "x" * 10
    server = SimulatedServer(
        0.001, answer=lambda number, _: Answer(200 if number < 60 or number % 9 else 500)
    )
    found = run_on(
        server,
        100,
        "p95<1s,errors<1%",
        pace=Pace(duration=20, step=20, most_stages=1),
        refused=lambda answer: hostile if answer.status == 500 else "",
    )
    assert found.verdict.sentence.startswith("acme/fraud/staging does not hold 100/s: p95 is never reached")
    [suite] = ET.fromstring(report.junit(found))
    assert suite.get("failures") == "3"
    told: dict[str, Any] = json.loads(json.dumps(report.to_dict(found), allow_nan=False))
    assert told["stages"][0]["latency"]["95"] is None
    assert told["verdict"] == "fail"
    [(failure, count)] = report.failures(found).items()
    assert failure.isprintable()
    assert count == pytest.approx(2000 / 9, abs=8)
    assert "failed" in report.row(found.stages[0], 2)


def test_the_lag_is_that_of_the_oldest_call_that_is_not_counted() -> None:
    accepted = [10.0, 11.0, 12.0, 20.0]
    assert longest_lag(accepted, []) is None
    assert longest_lag(accepted, [(12.5, 3)]) == 0
    assert longest_lag(accepted, [(13.0, 1), (21.0, 3), (30.0, 4)]) == 2.0
    assert longest_lag(accepted, [(15.0, 2.5)]) == 3.0


def test_objectives_say_how_many_calls_they_need() -> None:
    p95, share, most, lag = parse("p95<250ms, errors<0.1%,max < 2s,lag<60s")
    assert [one.least_calls for one in (p95, share, most, lag)] == [200, 1001, 1, 1]
    assert [one.limit for one in (p95, share, most, lag)] == [0.25, 0.001, 2.0, 60.0]
