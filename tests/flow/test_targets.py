"""An agreed target on the whole daemon: pages, API, `status` and alert tell the same of a model that misses it."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pytest

from monitor import status
from monitor.app import App
from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table
from tests.support.log import NOW, send
from tests.support.server import running
from tests.support.whole_app import whole_app

CLIENTS = {
    "acme": {
        "name": "Acme",
        "models": {
            "fraud": {
                "title": "Fraud check",
                "quality": "accuracy",
                "target": 0.9,
                "targets": {"latency_p95": 0.3, "satisfaction": 4, "availability": 0.99},
            }
        },
    }
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with whole_app(tmp_path, CLIENTS) as made:
        yield made


class Traffic:
    """Answers and their outcomes, `count` at once."""

    def __init__(self, app: App, right_after: float = 0.0) -> None:
        self.app, self.chance, self.number = app, random.Random(1), 0
        self.right_after = right_after
        self.waiting: list[tuple[float, dict[str, Any]]] = []
        assert isinstance(app.clock, ManualClock)
        self.clock = app.clock

    def run(
        self, minutes: float, right: float, every: float = 30, count: int = 100, latency: float = 50.0
    ) -> None:
        for _ in range(round(minutes * 60 / every)):
            now, rows = self.clock.now(), []
            for _ in range(count):
                self.number += 1
                key = {"id": f"p{self.number}", "client": "acme", "model": "fraud", "timestamp": now}
                is_right = self.chance.random() < right
                rows.append({**key, "prediction": "ok", "latency_ms": latency})
                known = now + (self.right_after if is_right else 0.0)
                self.waiting.append((known, {**key, "truth": "ok" if is_right else "fraud", "feedback": 5}))
            send(self.app.log, RecordKind.PREDICTIONS, rows)
            due = [row for at, row in self.waiting if at <= now]
            self.waiting = [(at, row) for at, row in self.waiting if at > now]
            if due:
                send(self.app.log, RecordKind.OUTCOMES, due)
            self.app.tick()
            while self.app.dispatcher.step():
                pass
            self.clock.advance(every)


def standings(http: httpx2.Client) -> dict[str, str]:
    answer = http.get("/api/v1/clients/acme")
    assert answer.status_code == 200, answer.text
    [model] = answer.json()["models"]
    return {one["metric"]: one["standing"] for one in model["targets"]}


def test_a_missed_target_is_told_everywhere_and_ends_everywhere(app: App, tmp_path: Path) -> None:
    traffic = Traffic(app)
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        traffic.run(6, right=0.97)
        assert standings(http) == {
            "accuracy": "kept", "latency_p95": "kept", "satisfaction": "kept", "availability": "unknown",
        }  # fmt: skip
        page = http.get("/c/acme/").text
        assert "not every agreed target can be measured yet" in page
        assert "no health endpoint is configured" in http.get("/c/acme/m/fraud").text
        traffic.run(3, right=0.1, count=50)
        assert standings(http)["accuracy"] == "missed"
        answer = http.get("/api/v1/clients/acme").json()
        assert (answer["state"], answer["models"][0]["state"]) == ("attention", "attention")
        assert answer["within_limits"] < 1
        page, model = http.get("/c/acme/").text, http.get("/c/acme/m/fraud").text
        assert "The model needs attention." in page
        assert "at least 90 % was agreed" in page
        assert "✖ missed" in page
        assert "✖ missed" in model
        assert "working as agreed" not in page + model
        assert "watchkeeper_model_state" in (sheet := http.get("/metrics").text)
        assert [
            line.split()[-1] for line in sheet.splitlines() if line.startswith("watchkeeper_model_state{")
        ] == ["3.0"]
        assert "TargetMissed" in (tmp_path / "told").read_text()
        with app.store.read() as connection:
            [line] = status.overview(connection, 60, app.clock.now(), "acme")
        assert line.state == "warning"
        assert any("agreed target missed: accuracy" in reason for reason in line.reasons)
        traffic.run(65, right=1.0, every=300, count=200)
        assert standings(http)["accuracy"] == "kept"
        history = http.get("/api/v1/clients/acme/incidents").json()
        assert [
            bool(one["ended"])
            for one in history
            if "missed the target agreed for right answers" in one["sentence"]
        ]
        assert "✖ missed" not in http.get("/c/acme/m/fraud").text


def declines(app: App) -> list[str]:
    """Of what figures a sudden decline is told now, and why."""
    with app.store.read() as connection:
        found = alerts.load_open(connection, "acme")
    return [f"{dict(one.instance)['of']}: {one.reason}" for one in found if one.rule == "SuddenDecline"]


@pytest.mark.parametrize("right_after", [0.0, 300.0])
def test_a_sudden_fall_is_told_within_two_minutes_also_where_right_answers_become_known_later(
    app: App, right_after: float
) -> None:
    traffic = Traffic(app, right_after)
    traffic.run(31, right=0.95, every=30, count=60)
    assert declines(app) == []
    traffic.run(10, right=0.95, every=30, count=60)
    assert declines(app) == []
    traffic.run((right_after + 30) / 60 if right_after else 0, right=0.75, every=30, count=60)
    traffic.run(2.5, right=0.75, every=30, count=60)
    (told,) = declines(app)
    assert told.startswith("accuracy: accuracy of the last ")
    assert re.search(r"is 7\d(\.\d)? %, usually 9[3-6](\.\d)? %", told)


def test_a_slow_model_is_told_on_its_first_day_without_a_latency_in_a_baseline(app: App) -> None:
    traffic = Traffic(app)
    traffic.run(8, right=1.0, every=30)
    traffic.run(1, right=1.0, every=5, latency=250.0)
    with app.store.read() as connection:
        (told,) = (one for one in alerts.load_open(connection, "acme") if one.rule == "HighLatency")
    assert told.baseline == pytest.approx(0.05, rel=0.02)


def test_a_regression_that_breaks_on_its_first_day_is_told_from_the_training_file_alone(app: App) -> None:
    """The errors of ten minutes of traffic are no past yet, so those of the training rows are what is usual."""
    chance = np.random.default_rng(5)
    truth = chance.normal(150, 80, 3000)
    table = pa.table({"size": truth, "prediction": truth + chance.normal(0, 20, 3000), "truth": truth})
    stream = Stream("acme", "price")
    with app.store.write() as connection:
        baseline.save(connection, from_table(stream, table, NOW), NOW)

    def run(minutes: float, spread: float) -> None:
        for _ in range(round(minutes * 2)):
            values, number = chance.normal(150, 80, 120).tolist(), app.clock.now()
            keys = [
                {"id": f"{number}-{n}", "client": "acme", "model": "price", "timestamp": number}
                for n in range(len(values))
            ]
            errors = chance.normal(0, spread, len(values)).tolist()
            answers = [k | {"prediction": v + e} for k, v, e in zip(keys, values, errors, strict=True)]
            send(app.log, RecordKind.PREDICTIONS, answers)
            truths = [k | {"truth": v} for k, v in zip(keys, values, strict=True)]
            send(app.log, RecordKind.OUTCOMES, truths)
            app.tick()
            assert isinstance(app.clock, ManualClock)
            app.clock.advance(30)

    run(5, spread=28)  # the training rows look better than new ones
    assert declines(app) == []
    run(2.5, spread=100)
    (told,) = declines(app)
    assert re.match(r"mae: mae of the last \d+ to arrive is [78]\d(\.\d)?, usually 1[56](\.\d)?", told)
