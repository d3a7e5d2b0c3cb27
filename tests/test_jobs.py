"""What the daemon does beside its tick."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from litestar.testing import TestClient

from monitor import jobs
from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.drift.learning import LearningTask
from monitor.notify.settings import NotifySettings
from monitor.records import Stream
from monitor.store import streams
from monitor.store.settings import StoreSettings
from tests.support.receiver import Receiver

NOW = 1_795_420_800.0


def test_25_a_loop_that_is_stuck_stops_the_ping_and_fails_the_health_check_within_three_minutes(
    tmp_path: Path,
) -> None:
    clock = ManualClock(NOW)
    with Receiver() as outside:
        notify = NotifySettings.model_validate({"dead_man": {"url": outside.url}})
        app = App(Config(store=StoreSettings(url=f"sqlite:///{tmp_path}/a.db"), notify=notify), clock)
        with TestClient(app.application) as http:
            for _ in range(18):  # three minutes in which it goes round
                app.tick()
                app.jobs.ping_dead_man()
                clock.advance(10)
            assert len(outside.requests) == 3
            assert http.get("/healthz").status_code == 200
            for _ in range(18):  # and three in which it is stuck, though HTTP answers
                clock.advance(10)
                app.jobs.ping_dead_man()
            assert len(outside.requests) <= 4, (
                "one more at most, until half a minute without a tick has passed"
            )
            assert http.get("/healthz").status_code == 503
            app.tick()
            app.jobs.ping_dead_man()
            assert len(outside.requests) == 5, "it goes round again"
        app.store.close()


def test_a_loop_that_no_longer_goes_round_fails_the_health_check_though_http_answers(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    app = App(Config(store=StoreSettings(url=f"sqlite:///{tmp_path}/a.db")), clock)
    with TestClient(app.application) as http:
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


@pytest.mark.parametrize("is_new", [False, True])
def test_of_very_many_streams_learning_looks_at_some_and_at_others_in_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    clock, looked = ManualClock(NOW), list[Stream]()
    app = App(Config(store=StoreSettings(url=f"sqlite:///{tmp_path}/a.db")), clock)
    everything = [Stream("acme", f"model-{number}") for number in range(7)]
    with app.store.write() as connection:
        for stream in everything:
            streams.key(connection, stream, NOW)

    def note(_: object, tasks: Sequence[LearningTask], *__: object) -> list[Stream]:
        assert all(task.models == 7 for task in tasks), "which share one budget"
        looked.extend(task.stream for task in tasks)
        return []

    monkeypatch.setattr(jobs, "prepare", note)
    monkeypatch.setattr(jobs, "LEARN_AT_MOST", 3)
    for _ in range(3):
        app.jobs.learn(everything if is_new else None)
    assert looked[:6] == everything[:6]
    assert set(looked[6:]) == {everything[6], *everything[:2]}
    app.store.close()
