"""The daemon, fed with traffic and scraped by a real Prometheus: every panel of every dashboard shows something."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exporters.test_dashboards import FILES, dashboard, panels
from tests.support import http
from tests.support.daemon import Daemon
from tests.support.metrics_endpoint import endpoint
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, prometheus
from tests.support.waiting import until

CONFIG = """
predictions: {{base_window: 2s}}
exporters: {{nobody: {{kind: statsd, url: "udp://127.0.0.1:{unread}", every: 5s}}}}
windows: {{lateness: 500ms, idle: 5s}}
gauges:
  machine: {{kind: machine, client: acme, model: fraud, every: 2s}}
  jobs:
    kind: model_server
    url: {jobs}
    client: acme
    model: fraud
    series:
      - {{quantity: queue_depth, series: [jobs_waiting], resource: jobs}}
      - {{quantity: queue_age, series: [jobs_oldest_seconds], resource: jobs}}
clients:
  acme:
    models:
      fraud:
        quality: accuracy
        target: 0.9
        targets: {{automation_rate: 0.6}}
        owner: risk
        task: binary
        baseline: {{file: {file}, also: [previous_version]}}
        expectations: {suite}
      demand: {{task: regression, forecast: {{horizon: horizon}}}}
      feed: {{ranking: {{catalogue: 9}}}}
"""
SUITE = "columns: {amount: [{check: range, least: 60, severity: critical}]}"
"""Which about half of the rows violate."""
FILLED = {
    "$__rate_interval": "15s",
    "$job": ".+",
    "$client": ".+",
    "$environment": ".+",
    "$model": ".+",
    "$metric": ".+",
}
LATER = ('window="1d"', "watchkeeper_judge_agreement_ratio")
"""Of days, which are measured again every five minutes only: `tests/flow/test_fairness.py` has these series. Judges are
compared with people every ten minutes: `tests/evaluation/test_judge_metrics.py`.
"""
LABELS = (
    '{client="acme",environment="production",model="fraud",version="7",job="watchkeeper",instance="TARGET"}'
)


def rows(amount: int, seed: int, shift: float) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    score = chance.random(amount)
    wrong = chance.random(amount) < 0.2
    labels = np.where(score > 0.5, "fraud", "ok")
    return {
        "prediction": labels.tolist(),
        "truth": np.where(wrong, np.where(labels == "ok", "fraud", "ok"), labels).tolist(),
        "confidence": np.maximum(score, 1 - score).tolist(),
        "latency_ms": chance.gamma(4, 10, amount).tolist(),
        "amount": (chance.normal(50 + shift, 10, amount)).tolist(),
        "country": chance.choice(["DE", "FR", "US"], amount).tolist(),
    }


def write_baseline(path: Path) -> None:
    made = rows(5000, 1, 0.0)
    names = {"amount": "features.amount", "country": "features.country"}
    pq.write_table(pa.table({names.get(name, name): values for name, values in made.items()}), path)


def send(daemon: Daemon, batch: int) -> None:
    made = rows(300, batch + 10, 25.0)
    predictions, outcomes = [], []
    for index in range(300):
        name = f"{batch}-{index}"
        fails = batch > 8 and index % 3 == 0
        record: dict[str, Any] = {
            "id": name,
            "client": "acme",
            "model": "fraud",
            "version": "7" if index % 4 else "6",
        }
        record |= {"latency_ms": made["latency_ms"][index], "automated": index % 2 == 0}
        record |= {"segments": {"region": "eu" if index % 2 else "us"}}
        if index % 10 == 0:
            record |= {"texts": {"input": "how long?", "output": "14 days", "context": ["14 days"]}}
            record |= {"usage": {"input_tokens": 12, "output_tokens": 3}}
        known = {"amount": made["amount"][index], "country": made["country"][index]}
        record |= {"features": {**known, "channel": "app"}}  # which the baseline does not have
        if fails:
            record |= {"error": "Timeout"}
        else:
            record |= {"prediction": made["prediction"][index], "confidence": made["confidence"][index]}
            outcomes.append({"id": name, "client": "acme", "model": "fraud", "truth": made["truth"][index]})
        predictions.append(record)
    for index in range(40):
        forecast: dict[str, Any] = {"id": f"{batch}-{index}", "client": "acme", "model": "demand"}
        part = {"id": f"{batch}.{index}", "client": "acme", "model": "size"}
        predictions.append(part | {"outputs": {"width": made["amount"][index]}})
        outcomes.append(part | {"true_outputs": {"width": 50.0}})
        outcomes.append(forecast | {"truth": made["amount"][index]})
        shown = {"id": f"{batch}/{index}", "client": "acme", "model": "feed"}
        outcomes.append(shown | {"relevant": [f"i{index % 5}"]})
        predictions.append(shown | {"version": "7", "ranking": [f"i{index % 7}", f"i{index % 5}"]})
        forecast |= {"version": "7", "prediction": made["amount"][index] + 3, "segments": {"horizon": "24h"}}
        predictions.append(forecast)
    assert daemon.post("/v1/predictions", predictions).status_code == 202
    assert daemon.post("/v1/outcomes", outcomes).status_code == 202


def history(target: str) -> str:
    """What Prometheus scraped a week ago and during the last hour, so that long comparisons have something to hold."""
    now = int(time.time())
    times = [*range(now - 8 * 86400 - 7200, now - 7 * 86400 + 600, 60), *range(now - 3600, now - 60, 60)]
    labels = LABELS.replace("TARGET", target)
    plain = labels.replace('version="7",', "")
    lines = ["# TYPE watchkeeper_predictions counter"]
    lines += [f"watchkeeper_predictions_total{labels} {100 * index} {at}" for index, at in enumerate(times)]
    lines.append("# TYPE watchkeeper_model_state gauge")
    lines += [f"watchkeeper_model_state{plain} 0 {at}" for at in times]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("live")
    write_baseline(folder / "baseline.parquet")
    (folder / "suite.yaml").write_text(SUITE)
    with (
        endpoint(lambda: "jobs_waiting 5\njobs_oldest_seconds 3\n") as jobs,
        Daemon(
            folder,
            CONFIG.format(
                file=folder / "baseline.parquet", suite=folder / "suite.yaml", jobs=jobs, unread=free_port()
            ),
        ) as daemon,
        prometheus(folder / "prometheus", target := f"127.0.0.1:{daemon.port}", history(target)) as running,
    ):
        stop = threading.Event()
        released = {"client": "acme", "model": "fraud", "version": "7", "released_by": "kim"}
        assert daemon.post("/v1/releases", released).status_code == 201

        def feed() -> None:
            batch = 0
            while not stop.is_set():
                send(daemon, batch)
                batch += 1
                stop.wait(0.7)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield running
        finally:
            stop.set()
            feeder.join(timeout=300)


def filled(expression: str) -> str:
    for name, value in FILLED.items():
        expression = expression.replace(name, value)
    return expression


def test_every_query_of_every_panel_returns_data(asked: Prometheus) -> None:
    left = [
        (path.stem, panel["title"], target["expr"])
        for path in FILES
        for panel in panels(dashboard(path))
        for target in panel["targets"]
        if not any(one in target["expr"] for one in LATER)
    ]

    def all_answered() -> bool:
        while left and asked.query(filled(left[0][-1])):
            del left[0]
        return not left

    try:
        # An hour is measured when a twentieth of it is new, which is three minutes after the last time; before, the
        # version must have become a baseline, which is looked for each half minute.
        until(all_answered, "all panels show something", seconds=330)
    except AssertionError:
        pytest.fail(json.dumps([one for one in left if not asked.query(filled(one[-1]))], indent=1))


def test_deploys_and_alerts_can_be_marked(asked: Prometheus) -> None:
    deployed = 'watchkeeper_model_deployed_timestamp_seconds{model="fraud"} * 1000'
    until(lambda: len(asked.query(deployed)) >= 2, "both versions are scraped")
    found = asked.query(deployed)
    assert {series["metric"]["version"] for series in found} == {"6", "7"}
    assert all(abs(float(series["value"][1]) / 1000 - time.time()) < 600 for series in found)
    [release] = asked.query("watchkeeper_model_release_timestamp_seconds * 1000")
    assert (release["metric"]["version"], release["metric"]["released_by"]) == ("7", "kim")


def test_latency_of_prometheus_is_that_of_the_traffic(asked: Prometheus) -> None:
    query = "histogram_quantile(0.5, sum by (le) (watchkeeper_prediction_duration_seconds_bucket))"
    until(lambda: [one for one in asked.query(query) if one["value"][1] != "NaN"], "latencies are scraped")
    [median] = asked.query(query)
    # The traffic is gamma(4, 10 ms): its median is 36.7 ms, and the buckets around it are 25 and 50 ms.
    assert 0.030 < float(median["value"][1]) < 0.045


def test_engineers_see_features_beside_the_baseline_and_clients_see_words(asked: Prometheus) -> None:
    page = http.get(f"{asked.target}/staff/m/acme/fraud/production", timeout=300)
    assert page.status_code == 200
    assert page.text.index(">amount</a>") < page.text.index(">country</a>")  # the shifted one comes first
    assert page.text.count('class="distribution"') == 4
    read = http.get(f"{asked.target}/c/acme/m/fraud?span=3h", timeout=300)
    assert read.status_code == 200
    assert "Right answers" in read.text
