"""Attributions on the whole daemon: sent as JSON and Arrow, and what page, API, `/metrics` and rule say of them."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.drift.explain.drivers import drivers
from monitor.exporters.grafana.model import ATTRIBUTION_NDCG
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.records import Stream
from monitor.store import alerts
from monitor.windows import baseline
from tests.support.log import NOW
from tests.support.server import running
from tests.support.whole_app import whole_app

STREAM = Stream("acme", "credit")
SCALES = {"age": 4.0, "income": 2.0, "<b>zip</b>": 1.0, "tenure": 0.5, "channel": 0.1}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with whole_app(tmp_path, {"acme": {"models": {"credit": {"title": "Credit"}}}}) as made:
        yield made


def table(seed: int, amount: int, scales: dict[str, float]) -> pa.Table:
    chance = np.random.default_rng(seed)
    columns = {f"features.{name}": chance.normal(size=amount) for name in scales}
    columns |= {f"attributions.{name}": scale * chance.normal(size=amount) for name, scale in scales.items()}
    answers = chance.choice(["approved", "declined"], amount)
    return pa.table({"prediction": answers, "confidence": np.full(amount, 0.8), **columns})


def learn(app: App, file: Path) -> None:
    pa.csv.write_csv(table(1, 2000, SCALES), file)
    with app.store.write() as connection:
        baseline.save(connection, baseline.from_file(STREAM, file, NOW), NOW)


def send(http: httpx2.Client, scales: dict[str, float]) -> None:
    rows = table(2, 400, scales).to_pylist()
    records = [
        {
            "id": f"j{number}", "client": "acme", "model": "credit", "timestamp": NOW + number % 50,
            "prediction": row["prediction"], "confidence": 0.8,
            "features": {name: row[f"features.{name}"] for name in scales},
            "attributions": {name: row[f"attributions.{name}"] for name in scales},
        }
        for number, row in enumerate(rows)
    ]  # fmt: skip
    assert http.post("/v1/predictions", json=records).status_code == 202
    as_arrow = table(3, 400, scales)
    as_arrow = as_arrow.append_column("id", pa.array([f"a{number}" for number in range(400)]))
    as_arrow = as_arrow.append_column("timestamp", pa.array([NOW + number % 50 for number in range(400)]))
    as_arrow = as_arrow.replace_schema_metadata({"client": "acme", "model": "credit"})
    body = io.BytesIO()
    with pa.ipc.new_stream(body, as_arrow.schema) as writer:
        writer.write_table(as_arrow)
    sent = http.post("/v1/predictions", content=body.getvalue(), headers={"content-type": CONTENT_TYPE})
    assert sent.status_code == 202


def test_another_order_is_measured_told_and_shown(app: App, tmp_path: Path) -> None:
    assert isinstance(app.clock, ManualClock)
    learn(app, tmp_path / "training.csv")
    now = dict(zip(SCALES, reversed(SCALES.values()), strict=True))
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        send(http, now)
        for _ in range(8):
            app.tick()
            app.clock.advance(50)
        answer = http.get("/api/v1/clients/acme/models/credit/measurements").json()
        found = {(one["metric"], one["labels"].get("feature")): one for one in answer["measurements"]}
        rank = found["attribution_ndcg", None]
        assert rank["n"] == 800
        assert rank["low"] <= rank["value"] <= rank["high"] < 0.9
        share = found["attribution_share", "channel"]
        assert share["value"] == pytest.approx(4 / 7.6, abs=0.05)
        assert share["baseline"] == pytest.approx(0.1 / 7.6, abs=0.01)
        assert found["attribution_share_change", "age"]["p_value"] < 1e-9
        with app.store.read() as connection:
            [alert] = [one for one in alerts.load_open(connection) if one.rule == "AttributionDrift"]
            saved = baseline.load(connection, STREAM)
            assert saved is not None
            assert list(drivers(connection, STREAM, saved)) == list(SCALES)
        assert alert.stream == STREAM
        series = ATTRIBUTION_NDCG.partition("(")[2].partition("{")[0]
        [line] = [
            one for one in http.get("/metrics").text.splitlines()
            if one.startswith(series) and 'metric="attribution_ndcg"' in one and 'window="1d"' in one
        ]  # fmt: skip
        assert float(line.split()[1]) == pytest.approx(rank["value"], abs=1e-6)
        page = http.get("/staff/m/acme/credit/production/features?sort=importance").text
        assert "Importance is from attributions" in page
        places = [
            page.index(f">{name}</a>") for name in ("age", "income", "&lt;b&gt;zip&lt;/b&gt;", "tenure")
        ]
        assert places == sorted(places)
        staff = http.get("/staff/m/acme/credit/production").text
        assert "attribution_ndcg" in staff
        assert "<b>zip</b>" not in staff + page
