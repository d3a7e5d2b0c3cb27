"""Forecasts on the whole daemon: records over HTTP, and what page, API, `/metrics`, rule and target say of them."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.records import Stream
from monitor.store import alerts, targets
from tests.support.log import NOW
from tests.support.server import running
from tests.support.whole_app import whole_app

STREAM = Stream("acme", "demand")
FORECAST = {
    "horizon": "horizon", "lower": "low_80", "upper": "high_80", "level": 0.8, "quantiles": {"high_80": 0.9},
    "scale": 20, "naive": "last_week",
}  # fmt: skip
HOSTILE = "<img src=x>\u202e"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    model = {"title": "Demand", "task": "regression", "forecast": FORECAST, "targets": {"wape": 0.05}}
    with whole_app(tmp_path, {"acme": {"models": {"demand": model}}}) as made:
        yield made


def forecasts(chance: random.Random, horizon: str, many: int, spread: float) -> list[dict[str, Any]]:
    """Forecasts whose intervals were made for a spread of 10."""
    made = []
    for number in range(many):
        truth = 100 + 50 * math.sin(number)
        answer = truth + chance.gauss(0, spread)
        made.append(
            {
                "id": f"{horizon}-{number}",
                "client": "acme",
                "model": "demand",
                "timestamp": NOW + number % 50,
                "prediction": answer,
                "truth": truth,
                "segments": {"horizon": horizon},
                "features": {"low_80": answer - 12.8, "high_80": answer + 12.8, "last_week": truth + 15},
            }
        )
    return made


def send(http: httpx2.Client, rows: list[dict[str, Any]]) -> None:
    sent = [{name: value for name, value in row.items() if name != "truth"} for row in rows]
    assert http.post("/v1/predictions", json=sent).status_code == 202
    keys = ("id", "client", "model", "truth")
    known = [{**{name: row[name] for name in keys}, "timestamp": NOW + 55} for row in rows]
    assert http.post("/v1/outcomes", json=known).status_code == 202


def test_records_sent_over_http_are_read_back_everywhere(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    chance = random.Random(5)
    rows = [
        *forecasts(chance, "24h", 400, 25), *forecasts(chance, "6h", 400, 10), *forecasts(chance, HOSTILE, 12, 10),
    ]  # fmt: skip
    rows[0]["features"]["low_80"], rows[1]["features"]["high_80"] = 900.0, "n/a"
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        send(http, rows)
        for _ in range(8):
            app.tick()
            app.clock.advance(50)
        answer = http.get("/api/v1/clients/acme/models/demand/measurements").json()
        found = {(one["metric"], one["labels"].get("segment", "")): one for one in answer["measurements"]}
        for name in ("24h", "6h"):
            of = [row for row in rows if row["segments"]["horizon"] == name]
            absolute = sum(abs(row["prediction"] - row["truth"]) for row in of)
            segment = f"horizon={name}"
            wape = found["wape", segment]
            assert wape["value"] == pytest.approx(absolute / sum(abs(row["truth"]) for row in of))
            assert wape["low"] < wape["value"] < wape["high"]
            assert found["mase", segment]["value"] == pytest.approx(absolute / len(of) / 20)
            assert found["relative_mae", segment]["value"] == pytest.approx(absolute / len(of) / 15)
        assert 0.7 < found["interval_coverage", "horizon=6h"]["value"] < 0.9
        assert 0.3 < found["interval_coverage", "horizon=24h"]["value"] < 0.5
        assert found["wape", f"horizon={HOSTILE}"]["reason"] == "12 outcomes of 30 needed"
        with app.store.read() as connection:
            told = {(one.rule, one.instance): one for one in alerts.load_open(connection)}
            [period] = targets.current(connection, "acme")[STREAM]
        of_rule = {
            dict(instance).get("segment", "") for rule, instance in told if rule == "IntervalCoverageLow"
        }
        assert of_rule == {"", "horizon=24h"}
        assert ("TargetMissed", (("target", "wape"),)) in told
        assert (period.metric, period.standing, period.is_least) == ("wape", "missed", False)
        page, staff = http.get("/c/acme/m/demand").text, http.get("/staff/m/acme/demand/production").text
        assert "Demand has errors of" in page
        assert "of the actual values over the last 5 minutes" in page
        assert "at most 5 % was agreed" in page
        section = staff.partition('<h2 id="forecasts">')[2].partition("<h2")[0]
        assert 0 < section.index("all rows") < section.index(">6h<") < section.index(">24h<")
        for column in (
            "mae",
            "bias",
            "wape",
            "mase",
            "interval_coverage",
            "interval_width",
            "pinball_loss 0.9",
        ):
            assert f'<th scope="col">{column}</th>' in section
        assert "the lower bound is above the upper one" in section
        assert "features.high_80 is a text, not a number" in section
        assert "12 outcomes of 30 needed" in section
        assert "<img src=x>" not in page + staff
        assert "\u202e" not in section
        assert '<h2 id="own">' not in staff
        sheet = http.get("/metrics").text
        assert [
            line
            for line in sheet.splitlines()
            if line.startswith("watchkeeper_performance_value{")
            and 'metric="wape"' in line
            and '"horizon=6h"' in line
        ]
        read = [line for line in sheet.splitlines() if line.startswith("watchkeeper_measurement_value{")]
        wanted = ('metric="coverage_shortfall"', 'window="1d"', 'segment="horizon=24h"')
        assert [line for line in read if all(text in line for text in wanted)]


@pytest.mark.parametrize(
    ("forecast", "says"),
    [
        ({"lower": "a"}, "a prediction interval needs lower, upper and level"),
        (
            {"lower": "features.a", "upper": "b", "level": 0.8},
            "names are bare: write a instead of features.a",
        ),
        ({"lower": "a", "upper": "b", "level": 80}, "less than 1"),
        ({"quantiles": {"a": 90}}, "is not a quantile level"),
        ({"quantiles": {"a": 0.9, "b": 0.9}}, "two quantiles have the same level"),
        ({"scale": 0}, "scale must be more than 0"),
        ({"scale": -1.5}, "scale must be more than 0"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(forecast: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"clients": {"acme": {"models": {"demand": {"forecast": forecast}}}}})


def test_names_of_features_may_be_anything() -> None:
    """Quotes, line ends and brackets stay a name."""
    odd = "x" * 80 + 'it\'s "x"] + 1\r\n\u2028'
    forecast = {
        "lower": odd,
        "upper": odd + "2",
        "level": 0.9,
        "naive": odd,
        "scale": odd,
        "quantiles": {odd: 0.1},
    }
    config = Config.model_validate({"clients": {"acme": {"models": {"demand": {"forecast": forecast}}}}})
    [counted] = config.custom_metrics(()).values()
    assert {column for one in counted for column in one.expression.features} == {
        f"features.{odd}", f"features.{odd}2",
    }  # fmt: skip
