"""A clock that is set back or forward stops neither judging nor telling, and health checks do not believe it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.notify.settings import NotifySettings
from monitor.predictions.intake.parse import RecordKind
from monitor.store.settings import StoreSettings
from tests.support.daemon import Daemon
from tests.support.faketime import Wall
from tests.support.log import NOW, send
from tests.support.traffic import failed, prediction
from tests.support.waiting import until

STEPS = [-5.0, -60.0, -3600.0, -86_400.0, 60.0, 3600.0, 86_400.0]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    notify = NotifySettings.model_validate({"console": False, "file": {"path": str(tmp_path / "told")}})
    made = App(Config(store=StoreSettings(url=f"sqlite:///{tmp_path}/a.db"), notify=notify), ManualClock(NOW))
    made.log.start()
    yield made
    made.log.stop()
    made.store.close()


def clock_of(app: App) -> ManualClock:
    assert isinstance(app.clock, ManualClock)
    return app.clock


def live(app: App, ticks: int, error: str = "") -> None:
    """Predictions come in every five seconds, and are judged and told of."""
    for _ in range(ticks):
        answer = {"error": error} if error else {"prediction": "ok"}
        row = {"client": "acme", "model": "fraud", "timestamp": app.clock.now(), **answer}
        send(app.log, RecordKind.PREDICTIONS, [row] * 24)
        app.tick()
        while app.dispatcher.step():
            pass
        clock_of(app).advance(5)


@pytest.mark.parametrize("step", STEPS)
def test_judging_goes_on_within_a_few_ticks_after_the_clock_was_set(
    app: App, tmp_path: Path, step: float
) -> None:
    live(app, 30)
    assert not (tmp_path / "told").exists()
    clock_of(app).step(step)
    live(app, 6, error="timeout")
    assert "HighErrorRate" in (tmp_path / "told").read_text()
    assert [f.part for f in app.store.faults.active()] == (["clock"] if step < -5 else [])


@pytest.mark.parametrize("step", STEPS)
def test_a_stuck_loop_is_noticed_whatever_the_clock_says(app: App, step: float) -> None:
    with TestClient(app.application) as http:
        live(app, 2)
        clock_of(app).step(step)
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        clock_of(app).advance(200)
        assert http.get("/healthz").status_code == 503
        assert http.get("/readyz").status_code == 503
        live(app, 1)
        assert http.get("/healthz").status_code == 200


RULES = """\
extend:
  HighErrorRate:
    when:
      any: [{metric: error_rate, over: open, above: 5%, clear: 4%, confidence: 99.99%, samples: 10}]
"""
SETTINGS = """\
evaluate: {{every: 500ms, recent: 5s}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify: {{file: {{path: "{folder}/told"}}, console: false}}
"""


@pytest.mark.parametrize("step", [-86_400, 86_400])
def test_the_real_daemon_judges_and_tells_after_its_clock_was_set(tmp_path: Path, step: int) -> None:
    wall = Wall(tmp_path)
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    told = tmp_path / "told"
    with Daemon(tmp_path, SETTINGS.format(folder=tmp_path), wall.environment) as daemon:
        for _ in range(3):
            daemon.post("/v1/predictions", [prediction() for _ in range(30)])
        wall.set(step)

        def is_told() -> bool:
            answer = daemon.post("/v1/predictions", [failed(timestamp=time.time() + step) for _ in range(30)])
            assert answer.status_code == 202
            assert daemon.get("/healthz").status_code == 200
            return told.exists() and "HighErrorRate" in told.read_text()

        until(is_told, "it is told")
        until(lambda: "the system clock was changed by" in daemon.said(), "the step is logged")
