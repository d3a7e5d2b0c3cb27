"""What the daemon does beside its tick."""

from pathlib import Path

from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config import Config
from monitor.store.settings import StoreSettings
from monitor.web.app import create

NOW = 1_795_420_800.0


def test_a_loop_that_no_longer_goes_round_fails_the_health_check_though_http_answers(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    app = App(Config(store=StoreSettings(url=f"sqlite:///{tmp_path}/a.db")), clock)
    with TestClient(create(app._services())) as http:
        app.tick()
        assert http.get("/healthz").status_code == 200
        clock.advance(100)
        assert http.get("/readyz").status_code == 503
        assert http.get("/healthz").status_code == 200
        clock.advance(100)
        answer = http.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["reason"] == "the last tick ended 200 seconds ago"
        app.tick()
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
    app.store.close()
