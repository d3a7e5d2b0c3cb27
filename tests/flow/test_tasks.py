"""Models with answers of other kinds on one daemon: what page, API and `/metrics` say of them."""

import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.exporters.model_samples import PARTS, QUALITY
from tests.support.exported import over_otlp, series_of
from tests.support.log import NOW
from tests.support.metric_intakes import metrics_of
from tests.support.ports import free_port
from tests.support.server import running

HOSTILE = "<i>'x'</i>\u202e"
ACCENTED = "caf\u00e9"
LABELS = [HOSTILE, ACCENTED, "c"]
Sent = list[dict[str, Any]]


def in_every_notation(flags: Iterable[bool]) -> list[Any]:
    """Flags as the services of one client may write them."""
    true, false = [1, "1", True, "True ", "TRUE", 1.0], [0, "0", False, "False ", "FALSE", 0.0]
    return [(true if flag else false)[place % 6] for place, flag in enumerate(flags)]


def topics(predicted: np.ndarray, true: np.ndarray) -> tuple[Sent, Sent]:
    forms = itertools.cycle(("NFC", "NFD", "NFD"))

    def written(row: np.ndarray) -> list[str]:
        form: Any = next(forms)
        return [unicodedata.normalize(form, LABELS[place]) for place in np.flatnonzero(row)]

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


def scored(model: str, scores: np.ndarray, truths: list[Any]) -> tuple[Sent, Sent]:
    here = [{"id": str(n), "client": "acme", "model": model, "timestamp": NOW + n % 50} for n in range(200)]
    return (
        [one | {"prediction": score} for one, score in zip(here, scores.tolist(), strict=True)],
        [one | {"truth": truth} for one, truth in zip(here, truths, strict=True)],
    )


CHANCE = np.random.default_rng(4)
TRUE = CHANCE.random((200, 3)) < 0.4
PREDICTED = TRUE ^ (CHANCE.random((200, 3)) < 0.1)
TRUTHS = CHANCE.normal(10, 3, (200, 2))
ANSWERS = TRUTHS + CHANCE.normal(0, 1, (200, 2))
SCORE, RISK = CHANCE.random(200), CHANCE.normal(size=200)
IS_ANOMALY = CHANCE.random(200) < SCORE
TIME = CHANCE.exponential(40 / np.exp(RISK))
SEEN = np.where(CHANCE.random(200) < 0.8, TIME, -TIME)
CALLS = CHANCE.integers(0, 9, 200)
ERRORS = np.minimum(CALLS, CHANCE.integers(0, 2, 200))


OWN = {
    "right": "mean(prediction == truth)",
    "granted": "share(prediction == 1)",
    "good": "share(truth == 'true')",
    "lost": "count(prediction in (1, 'maybe') and truth != True) / count()",
}


@dataclass
class Read:
    """What a visitor reads of all models, after some minutes."""

    found: dict[tuple[str, ...], dict[str, Any]]
    pages: dict[str, str]
    staff: dict[str, str]
    sheet: list[str]
    series: dict[str, dict[frozenset[tuple[str, str]], float]]
    listed: dict[str, list[dict[str, Any]]]
    coverage: dict[str, float]
    sent: ExportMetricsServiceRequest

    def exports(self, metric: str, part: str = "") -> bool:
        of_metric = (line for line in self.sheet if f'metric="{metric}"' in line)
        return any(not part or f'part="{part}' in line for line in of_metric)

    def section(self, model: str, key: str) -> str:
        return self.staff[model].partition(f'<h2 id="{key}">')[2].partition("<h2")[0]


def runs() -> tuple[Sent, Sent]:
    made = scored("helpdesk", SCORE, in_every_notation(IS_ANOMALY))
    for place, run in enumerate(made[0]):
        counted = {"steps": place % 5, "calls": int(CALLS[place]), "errors": int(ERRORS[place])}
        of_tool = {"tool_calls.search": counted["calls"], "tool_errors.search": counted["errors"]}
        run |= {"prediction": True, "features": counted | of_tool | {"loops": place % 4 // 3}}
        if place % 20 == 4:  # as of a run that lasted too long
            del run["features"]["steps"]
    return made


def decisions() -> tuple[Sent, Sent]:
    made = scored("credit", SCORE, in_every_notation(reversed(IS_ANOMALY.tolist())))
    for run, answer in zip(made[0], in_every_notation(IS_ANOMALY), strict=True):
        run["prediction"] = answer
    return made


def visits() -> tuple[Sent, Sent]:
    shown = [[str(item) for item in np.random.default_rng(n).permutation(30)[:8]] for n in range(200)]
    here = [{"id": str(n), "client": "acme", "model": "feed", "timestamp": NOW + n % 50} for n in range(200)]
    return (
        [
            one | {"ranking": items, "segments": {"place": HOSTILE if n % 2 else "cart"}}
            for n, (one, items) in enumerate(zip(here, shown, strict=True))
        ],
        [
            one | {"relevant": items[n % 9 :][:2] + ["elsewhere"] * (n % 3 == 0)}
            for n, (one, items) in enumerate(zip(here, shown, strict=True))
        ],
    )


def demand() -> tuple[Sent, Sent]:
    sent, known = scored("demand", TRUTHS[:, 0] + RISK, TRUTHS[:, 0].tolist())
    for n, one in enumerate(sent):
        at = one["prediction"]
        bounds = {"low": at - 1, "high": at + 1 if n % 40 else "high", "q10": at - 1.2, "scale": n % 50 - 1}
        one |= {"segments": {"horizon": ACCENTED if n % 2 else "7d"}, "features": bounds}
    return sent, known


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    tmp_path = tmp_path_factory.mktemp("tasks")
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
                "tools": ["search"],
            },
        },
        "credit": {"task": "binary", "metrics": OWN},
        "feed": {"title": "Feed", "ranking": {"k": 5, "catalogue": 40}},
        "demand": {
            "task": "regression",
            "forecast": {
                "horizon": "horizon",
                "lower": "low",
                "upper": "high",
                "level": 0.8,
                "scale": "scale",
                "quantiles": {"q10": 0.1},
            },
        },
        "churn": {"title": "Churn", "survival": {"horizons": [30]}},
    }
    config = Config.model_validate(
        {
            "store": {"url": f"sqlite:///{tmp_path}/a.db"},
            "notify": {"console": False, "file": {"path": str(tmp_path / "told")}},
            "clients": {"acme": {"models": models}},
            "web": {"requests_per_minute": 100000, "listen": f"127.0.0.1:{free_port()}"},
        }
    )
    app = App(config, clock := ManualClock(NOW))
    app.log.start()
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        all_sent = (
            topics(PREDICTED, TRUE), sizes(ANSWERS, TRUTHS), runs(),
            scored("pumps", SCORE, in_every_notation(IS_ANOMALY)), scored("churn", RISK, SEEN.tolist()),
            decisions(), visits(), demand(),
        )  # fmt: skip
        for sent, known in all_sent:
            refused = {
                "client": "acme",
                "model": sent[0]["model"],
                "predicted_labels": "b",
                "outputs": {"w": "?"},
            }
            answer = http.post("/v1/predictions", json=[*sent, refused]).json()
            assert (answer["accepted"], len(answer["rejected"])) == (200, 1)
            assert http.post("/v1/outcomes", json=known).json()["accepted"] == 200
        for _ in range(8):
            app.tick()
            clock.advance(50)
        by_model = {
            model: http.get(f"/api/v1/clients/acme/models/{model}/measurements").json()["measurements"]
            for model in models
        }
        listed = itertools.chain.from_iterable(by_model.values())
        exposition = http.get("/metrics").text
        result = Read(
            {(one["metric"], *one["labels"].values()): one for one in listed},
            {model: http.get(f"/c/acme/m/{model}").text for model in models},
            {model: http.get(f"/staff/m/acme/{model}/production").text for model in models},
            [
                line
                for line in exposition.splitlines()
                if "performance_value{" in line or "performance_part_value{" in line
            ],
            series_of(exposition),
            by_model,
            {
                model: one["value"]
                for model, of_model in by_model.items()
                for one in of_model
                if one["metric"] == "outcome_coverage" and not one["labels"]
            },
            over_otlp(app),
        )
    app.log.stop()
    app.store.close()
    return result


def test_sets_of_labels_and_outputs_are_read_back_everywhere(read: Read) -> None:
    found = read.found
    assert found["subset_accuracy",]["value"] == pytest.approx(accuracy_score(TRUE, PREDICTED))
    assert found["micro_f1",]["value"] == pytest.approx(f1_score(TRUE, PREDICTED, average="micro"))
    assert found["label_f1", HOSTILE]["value"] == pytest.approx(f1_score(TRUE[:, 0], PREDICTED[:, 0]))
    errors = np.abs(ANSWERS - TRUTHS).mean(axis=0)
    assert found["output_mae", "w"]["value"] == pytest.approx(errors[0])
    assert found["output_mae", HOSTILE]["value"] == pytest.approx(errors[1])
    assert "Topics gets all labels right in" in read.pages["topics"]
    assert "at least 95 % was agreed" in read.pages["topics"]
    assert "macro_f1" in read.section("topics", "label_sets")
    assert "output_r_squared" in read.section("size", "outputs")
    assert HOSTILE not in "".join([*read.pages.values(), *read.staff.values()])
    assert read.exports("subset_accuracy")
    assert read.exports("output_mae", "output=w")
    assert read.exports("label_f1", "class=")


def test_each_exported_figure_is_that_of_the_api(read: Read) -> None:
    """Number by number, and no series that the API does not have."""
    expected: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for model, listed in read.listed.items():
        for one in listed:
            named = dict(one["labels"])
            name, more = None, {}
            if one["metric"] == "own_metric" and named.keys() == {"name"}:
                name, more = "watchkeeper_business_kpi_value", {"kpi": named["name"]}
            elif one["metric"] in QUALITY and named.keys() <= {"version", "segment"}:
                segment = named.pop("segment", "all")
                more = named | {"metric": one["metric"], "kind": "realized", "segment": segment}
                name = "watchkeeper_performance_value"
            elif len(named) == 1 and next(iter(named)) == PARTS.get(one["metric"]):
                ((part, value),) = named.items()
                name, more = "watchkeeper_performance_part_value", {"part": f"{part}={value}"}
                more |= {"metric": one["metric"]}
            if name is None or one["value"] is None:
                continue
            base = {"client": "acme", "environment": "production", "model": model}
            expected.setdefault(name, {})[frozenset((base | more).items())] = one["value"]
    metrics = {dict(key).get("metric") for of_name in expected.values() for key in of_name}
    assert metrics >= {
        "ndcg_at_k", "catalogue_coverage", "wape", "mase", "interval_coverage", "pinball_loss", "micro_f1", "label_f1",
        "output_mae", "mae",
        "r_squared", "precision_at_top_k", "concordance_at_horizon", "agent_steps", "tool_error_rate", "goal_rate",
    }  # fmt: skip
    for name, of_name in expected.items():
        assert not {tuple(sorted(one)) for one in of_name.keys() ^ read.series[name].keys()}, name
        assert read.series[name] == pytest.approx(of_name), name


def test_each_exported_figure_is_sent_over_otlp_as_well(read: Read) -> None:
    sent: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for metric in metrics_of(read.sent):
        for point in metric.gauge.data_points:
            key = frozenset((one.key, one.value.string_value) for one in point.attributes)
            sent.setdefault(metric.name, {})[key] = point.as_double
    for name in ("performance_value", "performance_part_value", "business_kpi_value", "measurement_value"):
        assert sent[f"watchkeeper_{name}"] == pytest.approx(read.series[f"watchkeeper_{name}"], nan_ok=True)


def test_each_figure_that_rules_read_is_that_of_the_api(read: Read) -> None:
    by_key = {
        frozenset({**one["labels"], "model": model, "metric": one["metric"]}.items()): one["value"]
        for model, listed in read.listed.items()
        for one in listed
    }
    compared = 0
    for labels, value in read.series["watchkeeper_measurement_value"].items():
        named = {key: text for key, text in labels if key not in ("client", "environment", "window")}
        if dict(labels)["window"] == "1h":
            assert by_key[frozenset(named.items())] == pytest.approx(value), named
            compared += 1
    assert compared > 20


def test_what_orders_rows_is_not_held_against_each_truth(read: Read) -> None:
    """The time of who is censored is negative, and a score is no flag: any error would be a figure of nothing."""
    errors = ("mae", "rmse", "mape", "bias", "r_squared", "accuracy", "worst_segment_gap")
    for model in ("churn", "pumps"):
        assert not {name for name in errors if f">{name}</a>" in read.staff[model]}
    assert "Quality: " not in read.staff["churn"]


def test_own_metrics_take_labels_for_equal_that_the_others_take_for_equal(read: Read) -> None:
    """The rate of right answers of an expression is the accuracy on the same page."""
    answers, truths = IS_ANOMALY, IS_ANOMALY[::-1]
    expected = {
        "right": np.mean(answers == truths),
        "granted": answers.mean(),
        "good": truths.mean(),
        "lost": np.mean(answers & ~truths),
    }
    by_name = {name: read.found["own_metric", name]["value"] for name in OWN}
    assert by_name == pytest.approx(expected)
    accuracies = [one["value"] for key, one in read.found.items() if key == ("accuracy",)]
    assert expected["right"] == pytest.approx(accuracies[0])


def test_sets_and_numbers_are_truths_as_well(read: Read) -> None:
    """Their coverage is no 0 % while a page shows figures of their outcomes."""
    assert all(one == 1.0 for one in read.coverage.values())
    for model in ("topics", "size"):
        assert ">accuracy</a>" not in read.staff[model]


def test_scores_and_runs_of_an_agent_are_read_back_everywhere(read: Read) -> None:
    found = read.found
    assert found["alert_rate",]["value"] == pytest.approx(np.mean(SCORE >= 0.9))
    highest = IS_ANOMALY[np.argsort(-SCORE)][:50].mean()
    assert found["precision_at_top_k",]["value"] == pytest.approx(highest, abs=0.03)
    by_then, after = (SEEN >= 0) & (SEEN <= 30), np.abs(SEEN) > 30
    area = roc_auc_score(by_then[by_then | after], RISK[by_then | after])
    assert found["concordance_at_horizon", "30"]["value"] == pytest.approx(area, abs=5e-3)
    kept = [place % 5 for place in range(200) if place % 20 != 4]
    assert found["agent_steps",]["value"] == pytest.approx(np.mean(kept))
    lacking = found["agent_set_aside", "agent_steps", "features.steps is missing"]
    assert (lacking["value"], lacking["n"]) == (pytest.approx(0.05), 200)
    assert "without 5 % of 200 runs: features.steps is missing" in read.section("helpdesk", "agent")
    assert "agent_set_aside" not in read.section("helpdesk", "agent")
    assert found["tool_error_rate",]["value"] == pytest.approx(ERRORS.sum() / CALLS.sum())
    assert found["loop_rate",]["value"] == pytest.approx(0.25)
    assert found["goal_rate",]["value"] == pytest.approx(IS_ANOMALY.mean())
    assert "of its strongest alerts" in read.pages["pumps"]
    assert "at least 99 % was agreed" in read.pages["pumps"]
    assert "Helpdesk reaches its goal in" in read.pages["helpdesk"]
    assert "alert_precision" in read.section("pumps", "scores")
    assert "concordance_at_horizon" in read.section("churn", "scores")
    assert "tool_error_rate" in read.section("helpdesk", "agent")
    assert "search" in read.section("helpdesk", "agent")
    assert found["tool_error_rate", "search"]["value"] == found["tool_error_rate",]["value"]
    assert read.exports("tool_error_rate", "tool=search")
    assert read.exports("concordance_at_horizon", "horizon=30")
    assert "target missed: precision_at_top_k" in read.staff["pumps"]
    assert "Quality: precision_at_top_k" in read.staff["pumps"]
    assert "Quality: goal_rate" in read.staff["helpdesk"]
    assert read.exports("precision_at_top_k")
    assert read.exports("goal_rate")
