"""A recommender on the whole daemon, wired as docs/rankings.md says: what page, API, `/metrics` and rule say of it."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.records import Stream
from monitor.store import alerts
from monitor.windows import baseline
from tests.support.log import NOW
from tests.support.server import running
from tests.support.whole_app import whole_app

STREAM = Stream("acme", "feed")
HOSTILE = '<b>"x"</b>\u202e'
Sent = dict[str, Any]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    model = {"title": "Feed", "ranking": {"k": 5, "catalogue": 400}, "targets": {"ndcg_at_k": 0.4}}
    with whole_app(tmp_path, {"acme": {"models": {"feed": model}}}) as made:
        yield made


def lists(seed: int, amount: int, chosen: float, first: int = 0) -> list[Sent]:
    """Lists of ten of 200 items; the upper five are chosen with some probability, with a grade."""
    chance = np.random.default_rng(seed)
    made = []
    for number in range(amount):
        items = [f"{HOSTILE}-{first + item}" for item in chance.permutation(200)[:10].tolist()]
        grades = {item: float(chance.integers(1, 4)) for item in items[:5] if chance.random() < chosen}
        made.append({"id": f"{seed}-{number}", "ranking": items, "relevant": grades | {"elsewhere": 1.0}})
    return made


def learn(app: App, file: Path) -> None:
    rows = lists(1, 800, 0.4)
    columns = {
        "ranking": [one["ranking"] for one in rows],
        "relevant": [json.dumps(one["relevant"]) for one in rows],
    }
    pq.write_table(pa.table(columns), file)
    with app.store.write() as connection:
        baseline.save(connection, baseline.from_file(STREAM, file, NOW), NOW)


def as_arrow(rows: list[Sent]) -> bytes:
    table = pa.table(
        {
            "id": [one["id"] for one in rows],
            "ranking": [one["ranking"] for one in rows],
            "timestamp": [NOW + number % 50 for number in range(len(rows))],
        }
    ).replace_schema_metadata({"client": "acme", "model": "feed"})
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    return body.getvalue()


def send(http: httpx2.Client, rows: list[Sent]) -> None:
    here = {"client": "acme", "model": "feed"}
    half = len(rows) // 2
    sent: list[Sent] = [
        here | {"id": one["id"], "timestamp": NOW + number % 50, "ranking": one["ranking"]}
        for number, one in enumerate(rows[:half])
    ]
    sent[3]["ranking"] = "not a list"
    answer = http.post("/v1/predictions", json=sent).json()
    assert answer["accepted"] == half - 1
    assert answer["rejected"][0]["error"] == "ranking is 'not a list', not a list of items"
    posted = http.post(
        "/v1/predictions", content=as_arrow(rows[half:]), headers={"content-type": CONTENT_TYPE}
    )
    assert posted.json()["accepted"] == len(rows) - half


def choose(http: httpx2.Client, rows: list[Sent], part: int) -> None:
    """Half of the chosen items of each list; the second half comes later, with what was sent already."""
    here = {"client": "acme", "model": "feed", "timestamp": NOW + 55}
    known = [
        here | {"id": one["id"], "relevant": dict(list(one["relevant"].items())[: None if part else 1])}
        for one in rows
    ]
    assert http.post("/v1/outcomes", json=known).status_code == 202


def ndcg(rows: list[Sent], k: int) -> float:
    found = []
    for one in rows:
        discount = 1 / np.log2(np.arange(2, k + 2))
        gain = np.array([one["relevant"].get(item, 0.0) for item in one["ranking"][:k]])
        best = np.sort(np.array(list(one["relevant"].values())))[::-1][:k]
        found.append(gain @ discount[: len(gain)] / (best @ discount[: len(best)]))
    return float(np.mean(found))


def test_lists_that_became_worse_are_read_back_everywhere(app: App, tmp_path: Path) -> None:
    assert isinstance(app.clock, ManualClock)
    learn(app, tmp_path / "training.parquet")
    rows = lists(2, 600, 0.15, first=100)
    with running(app.server) as url, httpx2.Client(base_url=url, timeout=300) as http:
        send(http, rows)
        del rows[3]
        for part in (0, 1):
            choose(http, rows, part)
            for _ in range(4):
                app.tick()
                app.clock.advance(50)
        answer = http.get("/api/v1/clients/acme/models/feed/measurements").json()
        found = {one["metric"]: one for one in answer["measurements"] if not one["labels"]}
        assert found["ndcg_at_k"]["value"] == pytest.approx(ndcg(rows, 5), abs=1e-9)
        assert found["ndcg_at_k"]["n"] == 599
        assert found["ndcg_at_k"]["baseline"] == pytest.approx(ndcg(lists(1, 800, 0.4), 5), abs=1e-9)
        hit = np.mean([not set(one["ranking"][:5]).isdisjoint(one["relevant"]) for one in rows])
        assert found["hit_rate_at_k"]["value"] == pytest.approx(hit)
        of_all = {item for one in rows for item in one["ranking"]}
        assert found["shown_items"]["value"] == len(of_all)
        assert found["catalogue_coverage"]["value"] == len(of_all) / 400
        assert found["unseen_items"]["value"] == pytest.approx(0.5, abs=0.05)
        assert found["list_drift"]["p_value"] < 1e-9
        with app.store.read() as connection:
            told = {one.instance for one in alerts.load_open(connection) if one.rule == "ListsWorse"}
        assert told == {(("of", "hit_rate_at_k"),), (("of", "ndcg_at_k"),)}
        page, staff = http.get("/c/acme/m/feed").text, http.get("/staff/m/acme/feed/production").text
        assert f"Feed reaches {found['ndcg_at_k']['value']:.0%}".replace("%", " %") in page
        assert "of the best possible order of its lists" in page
        section = staff.partition('<h2 id="lists">')[2].partition("<h2")[0]
        assert "k is 5." in section
        assert "ndcg_at_k" in section
        shown = staff.partition('<h2 id="shown">')[2].partition("<h2")[0]
        assert "unseen_items" in shown
        assert HOSTILE not in page + staff
        sheet = http.get("/metrics").text
        assert [
            line for line in sheet.splitlines()
            if line.startswith("watchkeeper_performance_value{") and 'metric="ndcg_at_k"' in line
        ]  # fmt: skip
