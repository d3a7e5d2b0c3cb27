"""Own metrics on the whole daemon: records over HTTP, and what pages, API, `/metrics`, rules and digest say of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.units import DAY
from monitor.digest import custom_metrics
from monitor.records import Measurement, Stream, Window
from monitor.store import alerts, measurements
from tests.support.log import NOW
from tests.support.ports import free_port
from tests.support.server import running

STREAM = Stream("acme", "fraud")
AT_RISK = "sum(amount * (prediction == 'ok') * (truth == 'fraud'))"
METRICS: dict[str, Any] = {
    "revenue_at_risk": {"expression": AT_RISK, "unit": "EUR", "title": "Revenue at <risk>"},
    "refund_rate": {"expression": "mean(features.refunded == 1)", "lower_is_better": True, "target": 0.1},
    "hidden": {"expression": "count() / 60", "audience": "engineers"},
}


@contextmanager
def daemon(folder: Path, clock: ManualClock, metrics: dict[str, Any]) -> Iterator[App]:
    config = Config.model_validate(
        {
            "store": {"url": f"sqlite:///{folder}/a.db"},
            "notify": {"console": False, "file": {"path": str(folder / "told")}},
            "clients": {
                "acme": {
                    "metrics": {"thousands": {"expression": "sum(amount) / 1000", "unit": "kEUR"}},
                    "models": {"fraud": {"title": "Fraud", "metrics": metrics}},
                }
            },
            "web": {"requests_per_minute": 100000, "listen": f"127.0.0.1:{free_port()}"},
        }
    )
    app = App(config, clock)
    app.log.start()
    try:
        yield app
    finally:
        app.log.stop()
        app.store.close()


def rows(many: int, at: float, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{at:.0f}-{number}",
            "client": "acme",
            "model": "fraud",
            "timestamp": at + number % 50,
            "prediction": "ok" if number % 4 else "fraud",
            "features": {"amount": number, "refunded": number % 3 == 0, **fields},
            "segments": {"region": "eu" if number % 2 else "us"},
        }
        for number in range(many)
    ]


def truths(of: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    """Each fifth case was a fraud."""
    return [
        {"id": row["id"], "client": "acme", "model": "fraud", "truth": "ok" if n % 5 else "fraud", "timestamp": at}
        for n, row in enumerate(of)
    ]  # fmt: skip


def at_risk(of: list[dict[str, Any]]) -> float:
    """The same figure in plain Python."""
    return float(
        sum(row["features"]["amount"] for n, row in enumerate(of) if row["prediction"] == "ok" and n % 5 == 0)
    )


def tick(app: App, times: int) -> None:
    assert isinstance(app.clock, ManualClock)
    for _ in range(times):
        app.tick()
        app.clock.advance(50)


def minute(app: App, start: float) -> dict[tuple[str, str], Measurement]:
    with app.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(start), int(start) + 60))
    return {(one.label("name"), one.label("segment")): one for one in found if one.metric == "own_metric"}


def test_records_sent_over_http_are_read_back_everywhere(tmp_path: Path) -> None:
    sent = rows(600, NOW)
    dirty = [{**row, "id": f"x{row['id']}"} for row in rows(200, NOW, amount="n/a")]
    with (
        daemon(tmp_path, ManualClock(NOW), METRICS) as app,
        running(app.server) as url,
        httpx2.Client(base_url=url, timeout=300) as http,
    ):
        assert http.post("/v1/predictions", json=[*sent, *dirty]).status_code == 202
        tick(app, 8)
        early = minute(app, NOW)
        assert early["revenue_at_risk", ""].reason == "no outcome with truth in this window"
        assert early["refund_rate", ""].value == pytest.approx(
            sum(n % 3 == 0 for n in range(600)) / 600, abs=0.01
        )
        assert early["thousands", ""].value == sum(range(600)) / 1000
        assert http.post("/v1/outcomes", json=truths(sent, NOW + 400)).status_code == 202
        tick(app, 8)
        late = minute(app, NOW)
        assert late["revenue_at_risk", ""].value == at_risk(sent)
        by_region = [late["revenue_at_risk", f"region={name}"].value for name in ("eu", "us")]
        assert sum(filter(None, by_region)) == at_risk(sent)
        _is_shown(app, http, f"{at_risk(sent):,.6g} EUR")
        with app.store.read() as connection:
            told = {(one.rule, dict(one.instance).get("name", "")) for one in alerts.load_open(connection)}
            view = app.config.model(STREAM)
            digest = dict(custom_metrics.of_period(connection, STREAM, view, (NOW - DAY, NOW + DAY), 60))
        assert ("TargetMissed", "") in told
        assert {name for rule, name in told if rule == "OwnMetricUnusable"} == {"thousands"}
        assert list(digest) == ["Thousands", "Revenue at <risk>", "Refund rate"]
        assert digest["Refund rate"].startswith("33 % in this period (")
        assert digest["Refund rate"].endswith("at most 10 % was agreed.")


def _is_shown(app: App, http: httpx2.Client, at_risk_shown: str) -> None:
    answer = http.get("/api/v1/clients/acme/models/fraud/measurements").json()["measurements"]
    named = {
        one["labels"]["name"]: one
        for one in answer
        if one["metric"] == "own_metric" and len(one["labels"]) == 1
    }
    assert named["refund_rate"]["unit"] == "share"
    assert named["refund_rate"]["better"] == "lower"
    assert named["refund_rate"]["low"] < named["refund_rate"]["value"] < named["refund_rate"]["high"]
    page, staff = http.get("/c/acme/m/fraud").text, http.get("/staff/m/acme/fraud/production").text
    assert "Your metrics" in page
    assert "Revenue at &lt;risk&gt;" in page
    assert "count() / 60" not in page
    assert "Hidden" not in page
    assert "has a figure of 33 % for “refund rate”" in page
    section = staff.partition('<h2 id="own">')[2].partition("<h2")[0]
    assert "count() / 60" in section
    assert at_risk_shown in section
    assert "25 % of 800 rows set aside: features.amount is a text, not a number" in section
    sheet = http.get("/metrics").text
    assert 'kpi_value{client="acme",environment="production",kpi="refund_rate",model="fraud"} 0.33' in sheet
    assert 'kpi_target{client="acme",environment="production",kpi="refund_rate",model="fraud"} 0.1' in sheet
    assert 'kpi="hidden"' in sheet
    of_client = http.get("/c/acme/metrics").text
    assert 'kpi="refund_rate"' in of_client
    assert "hidden" not in of_client
    assert 'name="thousands"' in of_client
    unusable = [line for line in sheet.splitlines() if 'metric="own_metric_set_aside"' in line]
    assert any('name="thousands"' in line and "a text, not a number" in line for line in unusable)


def test_a_changed_expression_counts_from_then_on_and_the_past_keeps_its_own(tmp_path: Path) -> None:
    clock, first = ManualClock(NOW), rows(100, NOW)
    with daemon(tmp_path, clock, METRICS) as app, running(app.server) as url:
        with httpx2.Client(base_url=url, timeout=300) as http:
            http.post("/v1/predictions", json=first)
            tick(app, 4)
            http.post("/v1/outcomes", json=truths(first[:50], clock.now()))
            tick(app, 4)
        assert minute(app, NOW)["revenue_at_risk", ""].value == at_risk(first[:50])
    doubled = METRICS | {"revenue_at_risk": f"2 * {AT_RISK}"}
    del doubled["hidden"]
    with daemon(tmp_path, clock, doubled) as app, running(app.server) as url:
        changed = clock.now()
        with httpx2.Client(base_url=url, timeout=300) as http:
            http.post("/v1/outcomes", json=truths(first, changed)[50:])
            second = rows(100, changed + 120)
            clock.advance(170)
            http.post("/v1/predictions", json=second)
            tick(app, 4)
            http.post("/v1/outcomes", json=truths(second, clock.now()))
            tick(app, 4)
        before = minute(app, NOW)
        with app.store.read() as connection:
            hour = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + 3600))
    assert before["revenue_at_risk", ""].value == at_risk(first)
    assert before["hidden", ""].value == 100 / 60
    [whole] = [one for one in hour if one.labels == (("name", "revenue_at_risk"),)]
    assert whole.value == 2 * at_risk(second)
    assert not [one for one in hour if one.label("name") == "hidden"]
