"""Expectations on the whole daemon: dirty records over HTTP, and what page, API, `/metrics` and rules say of them."""

import re
from pathlib import Path
from typing import Any

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.digest import expectations
from monitor.expectations.expectation import Check, Expectation
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.store import alerts
from monitor.web.pages.declared import violations_page
from monitor.windows.declared import current_definitions
from monitor.windows.declared.expectation_counts import count
from monitor.windows.profile import merge
from tests.support.log import NOW
from tests.support.ports import free_port
from tests.support.server import running
from tests.support.thorough import examples
from tests.windows.test_own_metrics import LAYOUT, ROWS_OF, batch

STREAM = Stream("acme", "fraud")
BOAT = "boat\u202e 4111 1111 1111 1111"
SUITE = """\
columns:
  amount:
    - {check: type, type: number, severity: critical}
    - {check: range, least: 0, most: 1000, tolerated: 10%}
  kind:
    - {check: allowed, values: ["<b>", auto], severity: info}
  updated:
    - {check: fresh, within: 1h30m, tolerated: 50%}
  id:
    - {check: unique, severity: info}
conditions:
  - {expression: "features.start <= features.end"}
rows: {least: 5, severity: critical}
"""


def test_records_sent_over_http_are_read_back_everywhere(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    config = Config.model_validate(
        {
            "store": {"url": f"sqlite:///{tmp_path}/a.db"},
            "notify": {"console": False, "file": {"path": str(tmp_path / "told")}},
            "clients": {"acme": {"models": {"fraud": {"expectations": str(tmp_path / "suite.yaml")}}}},
            "web": {"requests_per_minute": 100000, "listen": f"127.0.0.1:{free_port()}"},
        }
    )
    app = App(config, ManualClock(NOW))
    app.log.start()
    rows: list[dict[str, Any]] = [
        {
            "id": str(number), "client": "acme", "model": "fraud", "timestamp": NOW + number % 50, "prediction": "ok",
            "features": {
                "amount": "n/a" if number < 3 else 2000 if number < 20 else 5,
                "kind": BOAT if number == 7 else "<b>",
                "updated": NOW - (7200 if number < 100 else 0),
                "start": 1, "end": 0 if number == 9 else 2,
            },
        }
        for number in range(400)
    ]  # fmt: skip
    try:
        with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
            assert http.post("/v1/predictions", json=rows).status_code == 202
            for _ in range(8):
                app.tick()
                assert isinstance(app.clock, ManualClock)
                app.clock.advance(50)
            answer = http.get("/api/v1/clients/acme/models/fraud/measurements").json()["measurements"]
            staff, sheet = http.get("/staff/m/acme/fraud/production").text, http.get("/metrics").text
            page = http.get("/c/acme/m/fraud").text
            links = re.findall(r"violations\?expectation=\w+", staff)
            looked = {
                re.findall(r"selected>([^<]*)<", text)[0]: text
                for link in links
                for text in [http.get(f"/staff/m/acme/fraud/production/{link}").text]
            }
            unknown = http.get("/staff/m/acme/fraud/production/violations?expectation=x")
            entries = http.get("/staff/audit").text
            with app.store.read() as connection:
                [boat] = [
                    one
                    for one in current_definitions.of_stream(connection, STREAM).expectations_at(NOW)
                    if one.about == "kind"
                ]
                as_policy = {
                    policy: dict(one.values)["kind"]
                    for policy in TextPolicy
                    for one in violations_page.newest(connection, STREAM, boat, policy, app.clock.now())
                }
                digest = expectations.of_period(connection, STREAM, (NOW, NOW + 7200), 60)
                told = {
                    (one.rule, *(text for _, text in one.instance)) for one in alerts.load_open(connection)
                }
    finally:
        app.log.stop()
        app.store.close()
    shares = {one["labels"]["expectation"]: one for one in answer if one["metric"] == "violation_share"}
    assert shares["type number"]["value"] == 3 / 400
    assert shares["range 0 to 1000"]["value"] == 17 / 397
    assert shares["allowed <b>, auto"]["value"] == 1 / 400
    assert shares["fresh within 1h30m"]["value"] == 100 / 400
    assert shares["unique"]["value"] == 0
    assert shares["features.start <= features.end".join(("condition ", ""))]["value"] == 1 / 400
    assert told >= {
        ("CriticalExpectationViolated", "amount", "type number"),
        ("MinorExpectationViolated", "kind", "allowed <b>, auto"),
        ("ExpectationViolated", "rows", "condition features.start <= features.end"),
    }
    assert ("ExpectationViolated", "amount", "range 0 to 1000") not in told
    section = staff.partition('<h2 id="expectations">')[2].partition("<h2")[0]
    assert "allowed &lt;b&gt;, auto" in section
    assert "<b>, auto" not in staff + page
    assert "not as it should be" in page
    assert (
        "3 of 7 expectations on the data were not met since 08:00 UTC: amount, kind, how columns relate."
        in page
    )
    assert (
        digest
        == "3 of 6 expectations on the data were not met in this period: amount, kind, how columns relate."
    )
    assert len(looked) == 5
    assert "n/a" in looked["amount: type number"]
    assert "boat\\u202e [card]" in looked["kind: allowed &lt;b&gt;, auto"]
    assert "4111" not in "".join(looked.values())
    assert as_policy == {
        TextPolicy.KEEP: "boat\\u202e 4111 1111 1111 1111",
        TextPolicy.REDACT: "boat\\u202e [card]",
        TextPolicy.DROP: "a text of 25 characters",
    }
    assert "Choose an expectation." in unknown.text
    assert entries.count("rows of acme/fraud/production: ") == len(looked)
    series = [line for line in sheet.splitlines() if 'metric="expectation_failed"' in line]
    assert any(
        all(f'{one}"' in line for one in ('column="amount', 'tier="critical', 'window="1h'))
        for line in series
    )


@given(ROWS_OF, st.integers(0, 30))
@settings(max_examples=examples(25), deadline=None)
def test_windows_add_up_to_the_whole(rows: list[dict[str, Any]], cut: int) -> None:
    some = [
        Expectation(Check.TYPE, "features.amount", {"type": "number"}),
        Expectation(Check.RANGE, "features.amount", {"least": 0}),
        Expectation(Check.ALLOWED, "prediction", {"values": ["ok", 1]}),
        Expectation(Check.PRESENT, "prediction"),
        Expectation(Check.UNIQUE, "prediction"),
        Expectation(Check.CONDITION, "", {"expression": "amount <= part"}),
    ]
    whole = batch(rows)
    parts = [one for part in (whole.slice(0, cut), whole.slice(cut)) if (one := count(part, LAYOUT, some))]
    assert merge(parts) == count(whole, LAYOUT, some)
