"""Models with answers of other kinds on one daemon: what page, API and `/metrics` say of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from tests.support.log import NOW
from tests.support.ports import free_port
from tests.support.server import running

HOSTILE = "<i>'x'</i>\u202e"
LABELS = [HOSTILE, "b", "c"]
Sent = list[dict[str, Any]]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    models: dict[str, Any] = {
        "topics": {"title": "Topics", "targets": {"subset_accuracy": 0.95}},
        "size": {"title": "Size"},
        "pumps": {
            "title": "Pumps",
            "task": "regression",
            "anomaly": {"threshold": 0.9, "k": 50},
            "targets": {"precision_at_top_k": 0.99},
        },
        "helpdesk": {
            "title": "Helpdesk",
            "quality": "goal_rate",
            "targets": {"goal_rate": 0.99},
            "agent": {
                "steps": "steps",
                "tool_calls": "calls",
                "tool_errors": "errors",
                "loops": "loops",
                "goal": "true",
            },
        },
        "churn": {"title": "Churn", "task": "regression", "survival": {"horizons": [30]}},
    }
    config = Config.model_validate(
        {
            "store": {"url": f"sqlite:///{tmp_path}/a.db"},
            "notify": {"console": False, "file": {"path": str(tmp_path / "told")}},
            "clients": {"acme": {"models": models}},
            "web": {"requests_per_minute": 100000, "listen": f"127.0.0.1:{free_port()}"},
        }
    )
    made = App(config, ManualClock(NOW))
    made.log.start()
    yield made
    made.log.stop()
    made.store.close()


def topics(predicted: np.ndarray, true: np.ndarray) -> tuple[Sent, Sent]:
    def written(row: np.ndarray) -> list[str]:
        return [LABELS[place] for place in np.flatnonzero(row)]

    here = [
        {"id": str(n), "client": "acme", "model": "topics", "timestamp": NOW + n % 50} for n in range(200)
    ]
    return (
        [one | {"predicted_labels": written(row)} for one, row in zip(here, predicted, strict=True)],
        [one | {"true_labels": written(row)} for one, row in zip(here, true, strict=True)],
    )


def sizes(answers: np.ndarray, true: np.ndarray) -> tuple[Sent, Sent]:
    here = [{"id": str(n), "client": "acme", "model": "size", "timestamp": NOW + n % 50} for n in range(200)]
    return (
        [one | {"outputs": {"w": a, HOSTILE: b}} for one, (a, b) in zip(here, answers.tolist(), strict=True)],
        [
            one | {"true_outputs": {"w": a, HOSTILE: b}}
            for one, (a, b) in zip(here, true.tolist(), strict=True)
        ],
    )


def test_sets_of_labels_and_outputs_are_read_back_everywhere(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    chance = np.random.default_rng(4)
    true = chance.random((200, 3)) < 0.4
    predicted = true ^ (chance.random((200, 3)) < 0.1)
    truths = chance.normal(10, 3, (200, 2))
    answers = truths + chance.normal(0, 1, (200, 2))
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=20) as http:
        for sent, known in (topics(predicted, true), sizes(answers, truths)):
            refused = {
                "client": "acme",
                "model": sent[0]["model"],
                "predicted_labels": "b",
                "outputs": {"w": "?"},
            }
            answer = http.post("/v1/predictions", json=[*sent, refused]).json()
            assert (answer["accepted"], len(answer["rejected"])) == (200, 1)
            assert http.post("/v1/outcomes", json=known).json()["accepted"] == 200
        for _ in range(5):
            app.tick()
            app.clock.advance(50)
        found = {}
        for model in ("topics", "size"):
            measured = http.get(f"/api/v1/clients/acme/models/{model}/measurements").json()["measurements"]
            found |= {(one["metric"], *one["labels"].values()): one for one in measured}
        assert found["subset_accuracy",]["value"] == pytest.approx(accuracy_score(true, predicted))
        assert found["micro_f1",]["value"] == pytest.approx(f1_score(true, predicted, average="micro"))
        assert found["label_f1", HOSTILE]["value"] == pytest.approx(f1_score(true[:, 0], predicted[:, 0]))
        errors = np.abs(answers - truths).mean(axis=0)
        assert found["output_mae", "w"]["value"] == pytest.approx(errors[0])
        assert found["output_mae", HOSTILE]["value"] == pytest.approx(errors[1])
        page = http.get("/c/acme/m/topics").text
        assert "Topics gets all labels right in" in page
        assert "at least 95 % was agreed" in page
        staff = [http.get(f"/staff/m/acme/{model}/production").text for model in ("topics", "size")]
        for text, key, metric in zip(
            staff, ("label_sets", "outputs"), ("macro_f1", "output_r_squared"), strict=True
        ):
            assert metric in text.partition(f'<h2 id="{key}">')[2].partition("<h2")[0]
        assert HOSTILE not in page + "".join(staff)
        sheet = http.get("/metrics").text.splitlines()
        read = [line for line in sheet if line.startswith("watchkeeper_performance_value{")]
        assert [line for line in read if 'metric="subset_accuracy"' in line]


def scored(model: str, scores: np.ndarray, truths: list[Any]) -> tuple[Sent, Sent]:
    here = [{"id": str(n), "client": "acme", "model": model, "timestamp": NOW + n % 50} for n in range(200)]
    return (
        [one | {"prediction": score} for one, score in zip(here, scores.tolist(), strict=True)],
        [one | {"truth": truth} for one, truth in zip(here, truths, strict=True)],
    )


def test_scores_and_runs_of_an_agent_are_read_back_everywhere(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    chance = np.random.default_rng(6)
    score, risk = chance.random(200), chance.normal(size=200)
    is_anomaly = chance.random(200) < score
    time = chance.exponential(40 / np.exp(risk))
    truth = np.where(chance.random(200) < 0.8, time, -time)
    runs = scored("helpdesk", score, is_anomaly.tolist())
    calls, errors = chance.integers(0, 9, 200), chance.integers(0, 2, 200)
    errors = np.minimum(calls, errors)
    for place, run in enumerate(runs[0]):
        counted = {
            "steps": place % 5,
            "calls": int(calls[place]),
            "errors": int(errors[place]),
            "loops": place % 4 // 3,
        }
        run |= {"prediction": True, "features": counted}
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=20) as http:
        for sent, known in (
            runs,
            scored("pumps", score, is_anomaly.tolist()),
            scored("churn", risk, truth.tolist()),
        ):
            assert http.post("/v1/predictions", json=sent).json()["accepted"] == 200
            assert http.post("/v1/outcomes", json=known).json()["accepted"] == 200
        for _ in range(8):
            app.tick()
            app.clock.advance(50)
        found = {}
        for model in ("pumps", "churn", "helpdesk"):
            measured = http.get(f"/api/v1/clients/acme/models/{model}/measurements").json()["measurements"]
            found |= {(one["metric"], *one["labels"].values()): one for one in measured}
        assert found["alert_rate",]["value"] == pytest.approx(np.mean(score >= 0.9))
        highest = is_anomaly[np.argsort(-score)][:50].mean()
        assert found["precision_at_top_k",]["value"] == pytest.approx(highest, abs=0.03)
        by_then, after = (truth >= 0) & (truth <= 30), np.abs(truth) > 30
        area = roc_auc_score(by_then[by_then | after], risk[by_then | after])
        assert found["concordance_at_horizon", "30"]["value"] == pytest.approx(area, abs=5e-3)
        assert found["agent_steps",]["value"] == pytest.approx(2)
        assert found["tool_error_rate",]["value"] == pytest.approx(errors.sum() / calls.sum())
        assert found["loop_rate",]["value"] == pytest.approx(0.25)
        assert found["goal_rate",]["value"] == pytest.approx(is_anomaly.mean())
        page = http.get("/c/acme/m/pumps").text
        assert "of its strongest alerts" in page
        assert "at least 99 % was agreed" in page
        for model, metric in (("pumps", "alert_precision"), ("churn", "concordance_at_horizon")):
            staff = http.get(f"/staff/m/acme/{model}/production").text
            assert metric in staff.partition('<h2 id="scores">')[2].partition("<h2")[0]
        assert "Helpdesk reaches its goal in" in http.get("/c/acme/m/helpdesk").text
        staff = http.get("/staff/m/acme/helpdesk/production").text
        assert "tool_error_rate" in staff.partition('<h2 id="agent">')[2].partition("<h2")[0]
        sheet = http.get("/metrics").text.splitlines()
        read = [line for line in sheet if line.startswith("watchkeeper_performance_value{")]
        for metric in ("precision_at_top_k", "goal_rate"):
            assert [line for line in read if f'metric="{metric}"' in line]
