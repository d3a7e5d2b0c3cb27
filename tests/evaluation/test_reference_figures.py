"""Figures held against the season and against the version before, in the daemon's own measuring."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.config.units import WEEK
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.metrics import METRICS, MetricSettings, families_of
from monitor.predictions.log.batch import split
from monitor.records import State, Window
from monitor.rules import load as load_rules
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN
from monitor.store import measurements, model_versions
from monitor.store.model_versions import Version
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table
from monitor.windows.settings import BaselineSettings, FurtherBaseline
from tests.support.log import NOW, STREAM
from tests.support.measuring import MeasuringDaemon, measuring_daemon

HOUR = 3600
RULES = """
groups:
  - name: seasons
    labels: {severity: warning}
    rules:
      - alert: OtherThanUsual
        when: {metric: psi, over: 1h, above: 0.25, match: [against="season"]}
        by: [feature]
        annotations: {summary: "{feature} is not as usual: {value}", impact: "Look at it."}
      - alert: FarFromTraining
        when: {metric: psi, over: 1h, above: 0.25}
        by: [feature]
        annotations: {summary: "{feature} is not as in training: {value}", impact: "Look at it."}
      - alert: Quiet
        when: {metric: volume, over: 1h, below: 0.5x baseline, match: [against="season"]}
        annotations: {summary: "{value} of {baseline} predictions", impact: "Look at it."}
"""


def batch(start: float, rows: int, shift: float, version: str = "7") -> pa.RecordBatch:
    """Rows spread over an hour; `shift` moves the feature by standard deviations."""
    rng = np.random.default_rng(int(start) % 1000 + rows)
    times = (start * 1e6 + np.arange(rows) * (HOUR * 1e6 / rows)).astype(np.int64)
    return pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array(times),
            "version": pa.array([version] * rows).dictionary_encode(),
            "prediction": pa.array(["ok"] * rows).dictionary_encode(),
            "features.amount": pa.array(rng.normal(shift, 1, rows)),
        }
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path, NOW + HOUR) as fresh:
        also = (FurtherBaseline.SEASON, FurtherBaseline.PREVIOUS_VERSION)
        settings = BaselineSettings(also=also, weeks=3)
        table = pa.table({"amount": np.random.default_rng(0).normal(size=3000), "prediction": ["ok"] * 3000})
        with fresh.store.write() as connection:
            baseline.save(connection, from_table(STREAM, table, NOW), NOW)
        fresh.lengths = (OPEN, HOUR)
        fresh.metrics = frozenset({"psi", "volume"})
        fresh.measuring.against = ReferenceFigures(lambda _: settings, MetricSettings())
        yield fresh


def fill(daemon: MeasuringDaemon, *batches: pa.RecordBatch) -> None:
    for rows in batches:
        daemon.log.append(split(STREAM, rows, 60))
    daemon.clock.advance(60)


def found(daemon: MeasuringDaemon, against: str, metric: str = "psi") -> list[float | None]:
    daemon.measure()
    with daemon.store.read() as connection:
        stored = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + HOUR))
    return [
        m.value
        for m in stored
        if (m.metric, m.label("feature"), m.label("against")) == (metric, "amount", against)
    ]


def test_what_is_usual_at_this_hour_is_drift_against_the_training_set_alone(daemon):
    weeks = [batch(NOW - week * WEEK, 600, 2.0) for week in (1, 2)]
    fill(daemon, *weeks, batch(NOW, 500, 2.0))
    (pinned,), (usual,) = found(daemon, ""), found(daemon, "season")
    assert pinned > 1
    assert usual < 0.1


def test_rules_read_the_season_when_they_ask_for_it(daemon, tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    rules = load_rules([tmp_path / "rules.yaml"], METRICS, Path("rules"))
    weeks = [batch(NOW - week * WEEK, 2000, 2.0) for week in (1, 2)]
    fill(daemon, *weeks, batch(NOW, 500, 2.0))
    judgement = evaluate(rules, daemon.measure(), {}, daemon.clock.now())
    firing = {alert.rule: alert for alert in judgement.alerts if alert.state is State.FIRING}
    assert set(firing) == {"FarFromTraining", "Quiet"}
    assert firing["Quiet"].baseline == pytest.approx(2000, rel=0.01)
    assert "over the last 1h against the season (limit: below" in firing["Quiet"].reason


def test_without_a_past_it_says_so(daemon):
    fill(daemon, batch(NOW, 500, 0.0))
    daemon.measure()
    with daemon.store.read() as connection:
        stored = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + HOUR))
    reasons = {m.label("against"): m.reason for m in stored if m.metric == "drifted_share"}
    assert reasons["season"] == "no predictions at the same time of the last 3 weeks"
    assert reasons["previous_version"] == "no version before is known"


def test_a_new_version_is_held_against_the_one_that_it_replaces(daemon):
    with daemon.store.write() as connection:
        seen = [Version(STREAM, "7", NOW - 86400, NOW), Version(STREAM, "8", NOW, NOW)]
        model_versions.put(connection, seen)
    fill(daemon, batch(NOW - 86400, 900, 0.0), batch(NOW, 300, 0.0), batch(NOW, 400, 1.5, "8"))
    daemon.measure()
    with daemon.store.read() as connection:
        stored = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + HOUR))
    mine = {m.metric: m for m in stored if m.label("against") == "previous_version" and not m.label("type")}
    assert mine["volume"].value == 400, "the rows of the new version alone"
    assert mine["mean_shift"].value == pytest.approx(1.5, abs=0.15)


def test_nothing_more_is_measured_where_nothing_is_configured(daemon):
    daemon.measuring.against = ReferenceFigures(lambda _: BaselineSettings(), MetricSettings())
    fill(daemon, batch(NOW - WEEK, 600, 0.0), batch(NOW, 500, 0.0))
    assert found(daemon, "season") == []
    assert families_of({"psi"})
