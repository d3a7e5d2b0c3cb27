"""From predictions to a rollback: the rules fire, the order reaches a webhook, and everybody reads of it."""

from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts, api_keys, rollbacks
from monitor.store.api_keys import KeyKind
from monitor.store.rollbacks import RollbackState
from tests.rollback.executors.test_webhook import KEY, Strict
from tests.support.log import NOW, send
from tests.support.stand_in import StandIn

FRAUD = Stream("acme", "fraud")
STEP = 15.0


def live(app: App, clock: ManualClock, seconds: float, traffic: dict[str, tuple[float, float]]) -> None:
    """Predictions come in, and what is due is done. `traffic` are predictions a second, and failing shares."""
    for _ in range(int(seconds // STEP)):
        now, rows = clock.advance(STEP) or clock.now(), list[dict[str, Any]]()
        for version, (rate, failing) in traffic.items():
            n = round(rate * STEP)
            for number in range(n):
                row: dict[str, Any] = {"error": "timeout"} if number < n * failing else {"prediction": "ok"}
                row |= {"client": "acme", "model": "fraud", "version": version, "latency_ms": 40 + number % 7}
                rows.append(
                    row | {"timestamp": now - STEP * (number + 0.5) / n, "id": f"{version}-{now}-{number}"}
                )
        send(app.log, RecordKind.PREDICTIONS, rows)
        app.tick()
        app.store_versions()
        app.rollbacks.decide()
        while app.rollbacks.worker.step() or app.dispatcher.step():
            pass
        app.rollbacks.verify()


def test_a_bad_canary_is_rolled_back_and_everybody_reads_of_it(tmp_path: Path) -> None:
    receiver = Strict()
    with StandIn(receiver.answer) as server:
        executor = {"kind": "webhook", "url": server.url, "secret": KEY}
        model = {"title": "Fraud check", "rollback": {"mode": "on", "executor": executor}}
        config = Config.model_validate(
            {
                "store": {"url": f"sqlite:///{tmp_path}/a.db"},
                "rollback": {"stop_file": str(tmp_path / "stop")},
                "notify": {"console": False, "file": {"path": str(tmp_path / "told")}},
                "clients": {"acme": {"name": "Acme", "models": {"fraud": model}}},
            }
        )
        clock = ManualClock(NOW)
        app = App(config, clock)
        app.log.start()
        live(app, clock, 240, {"7": (4.0, 0.0)})
        live(app, clock, 150, {"7": (2.0, 0.0), "8": (2.0, 0.4)})
        assert [(one["from_version"], one["to_version"]) for one in receiver.acted] == [("8", "7")]
        live(app, clock, 240, {"7": (4.0, 0.0)})  # the receiver has done it
        with app.store.read() as connection:
            [done] = [one for one in rollbacks.of_stream(connection, FRAUD) if one.was_ordered]
            is_open = {alert.rule for alert in alerts.load(connection).values() if alert.is_open}
        assert (done.state, done.trigger, done.share_after) == (RollbackState.VERIFIED, "HighErrorRate", 0.0)
        assert "RolledBack" in is_open
        assert "HighErrorRate" not in is_open
        told = (tmp_path / "told").read_text()
        assert "version 8 was rolled back" in told
        with app.store.write() as connection:
            _, key = api_keys.create(connection, KeyKind.STAFF, "", clock.now())
        with TestClient(app.application) as web:
            web.headers["Authorization"] = f"Bearer {key}"
            assert "We have returned to the previous one." in web.get("/c/acme/").text
            assert ">result<" in web.get("/staff/m/acme/fraud/production/rollback").text
        app.log.stop()
        app.store.close()
    assert len(receiver.acted) == 1
