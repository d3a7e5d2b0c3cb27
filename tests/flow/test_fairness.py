"""Groups on the whole daemon: records over HTTP, and what pages, API, `/metrics`, rule and digest say of them."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.units import DAY
from monitor.digest import compared_groups
from monitor.exporters.grafana.groups import GROUPS
from monitor.records import Stream
from monitor.store import alerts
from tests.support.log import NOW
from tests.support.server import running
from tests.support.whole_app import whole_app

STREAM = Stream("acme", "credit")
FAIRNESS = {"groups": ["sex"], "favourable": "approved", "reference": {"sex": "m"}}
HOSTILE = "<img src=x>\u202e"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with whole_app(
        tmp_path, {"acme": {"models": {"credit": {"title": "Credit", "fairness": FAIRNESS}}}}
    ) as made:
        yield made


def applicants(amount: int, of: str, approved: float, chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{of}-{number}",
            "client": "acme",
            "model": "credit",
            "timestamp": NOW + number % 50,
            "prediction": "approved" if chance.random() < approved else "declined",
            "confidence": 0.8,
            "segments": {"sex": of},
        }
        for number in range(amount)
    ]


def send(http: httpx2.Client, chance: random.Random) -> None:
    rows = [
        *applicants(600, "f", 0.3, chance), *applicants(900, "m", 0.6, chance), *applicants(17, HOSTILE, 0.5, chance),
    ]  # fmt: skip
    chance.shuffle(rows)
    assert http.post("/v1/predictions", json=rows).status_code == 202
    known = [
        {
            "id": row["id"],
            "client": "acme",
            "model": "credit",
            "truth": row["prediction"],
            "timestamp": NOW + 55,
        }
        for row in rows
    ]
    assert http.post("/v1/outcomes", json=known).status_code == 202


def test_records_sent_over_http_are_read_back_everywhere(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        send(http, random.Random(5))
        for _ in range(8):
            app.tick()
            app.clock.advance(50)
        answer = http.get("/api/v1/clients/acme/models/credit/measurements").json()
        found = {
            (one["metric"], one["labels"].get("group")): one
            for one in answer["measurements"]
            if "group" in one["labels"]
        }
        ratio = found["disparate_impact", "sex=f"]
        assert 0.4 < ratio["value"] < 0.6
        assert ratio["low"] < ratio["value"] < ratio["high"] < 0.8
        assert ratio["labels"]["reference_group"] == "sex=m"
        assert found["equal_opportunity_difference", "sex=f"]["value"] == 0.0
        assert found["selection_rate", f"sex={HOSTILE}"]["reason"] == f"17 rows of sex={HOSTILE}, 100 needed"
        with app.store.read() as connection:
            [alert] = [one for one in alerts.load_open(connection) if one.rule == "DisparateImpact"]
            span = (NOW - DAY, NOW + 3600)
            [(segment, words)] = compared_groups.of_period(
                connection, STREAM, app.config.model(STREAM).fairness, span, 60
            )
        assert dict(alert.instance) == {"group": "sex=f", "reference_group": "sex=m"}
        assert segment == "sex"
        page, staff = http.get("/c/acme/m/credit").text, http.get("/staff/m/acme/credit/production").text
        for text in (page, words):
            assert "17 answers, 100 needed" in text
            assert "do not show the cause" in text
            assert "discrimination" not in text.lower()
        assert "Groups compared" in page
        assert "times that of m" in page
        assert "show the cause): sex=f, compared with sex=m." in page
        section = staff.partition('<h2 id="groups">')[2].partition("<h2")[0]
        assert "disparate_impact" in section
        assert "17 rows of sex=&lt;img src=x&gt;" in section
        assert "<img src=x>" not in page + staff
        assert "\\u202e" in section
        assert "\u202e" not in section
        sheet = http.get("/metrics").text
        series = [line for line in sheet.splitlines() if line.startswith("watchkeeper_measurement_value{")]
        for panel in GROUPS.panels:
            metric, window = re.findall(r'(?:metric|window)="(\w+)"', panel.queries[0].expression)
            wanted = (f'metric="{metric}"', f'window="{window}"', 'group="sex=f"', 'reference_group="sex=m"')
            assert [line for line in series if all(text in line for text in wanted)], panel.title
