"""Exported rules, read and run by the real promtool."""

import shutil
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest

from monitor.metrics import METRICS
from monitor.rules import load
from monitor.rules.export import export
from monitor.rules.unit_test import Minute, has_test, rule_file, unit_test
from tests.support.judging import rule_set

ROOT = Path(__file__).parent.parent.parent
PACKS = [ROOT / "rules" / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
PROMTOOL = shutil.which("promtool")

RULES = """
groups:
- name: g
  labels: {severity: critical}
  rules:
  - alert: ErrorsMinute
    when: {metric: error_rate, over: 1m, above: 5%, samples: 300}
    annotations: {summary: "{client}/{model} {value} over {limit}", impact: x}
  - alert: ErrorsLater
    when: {metric: error_rate, over: 5m, above: 5%}
    for: 3m
    keep_firing_for: 4m
    annotations: {summary: s, impact: x}
  - alert: LowAccuracy
    when: {metric: accuracy, over: 5m, below: 0.7}
    for: 2m
    annotations: {summary: "{value}", impact: x}
  - alert: Both
    when: {all: [{metric: error_rate, over: 1m, above: 5%}, {metric: drifted_share, over: 5m, above: 0.75}]}
    annotations: {summary: s, impact: x}
  - alert: Either
    when: {any: [{metric: error_rate, over: 1m, above: 20%}, {metric: drifted_share, over: 5m, below: 0.6}]}
    keep_firing_for: 2m
    annotations: {summary: s, impact: x}
"""


def promtool(folder: Path, *arguments: str) -> str:
    assert PROMTOOL is not None, "promtool is not installed (apt-get install prometheus)"
    ran = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def minutes(seed: int) -> list[Minute]:
    """Two and a half hours in spells of at least twelve minutes, so that nothing counts as flapping.

    There are always rows enough: with too few, Prometheus resolves, and we hold an open alert open.
    """
    random = np.random.default_rng(seed)
    made: list[Minute] = []
    while len(made) < 150:
        rate, gauge = random.choice([0.0, 0.02, 0.06, 0.3]), random.choice([0.5, 0.65, 0.72, 0.9])
        predictions = int(random.choice([400, 600, 600, 600]))
        spell = int(random.integers(12, 30))
        made += [Minute(predictions, round(predictions * rate), float(gauge))] * spell
    return made


@pytest.mark.parametrize("seed", range(12))
def test_prometheus_and_we_agree_minute_by_minute(tmp_path: Path, seed: int) -> None:
    rules = rule_set(tmp_path, RULES).rules
    assert all(has_test(rule) for rule in rules)
    (tmp_path / "exported.yaml").write_text(rule_file(rules), encoding="utf-8")
    (tmp_path / "test.yaml").write_text(unit_test(rules, "exported.yaml", minutes(seed)), encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "test.yaml")


def test_the_agreement_is_no_accident_a_wrong_limit_is_noticed(tmp_path: Path) -> None:
    rules = rule_set(tmp_path, RULES).rules
    wrong = rule_file(rules).replace("> 0.05", "> 0.4")
    (tmp_path / "exported.yaml").write_text(wrong, encoding="utf-8")
    (tmp_path / "test.yaml").write_text(unit_test(rules, "exported.yaml"), encoding="utf-8")
    with pytest.raises(AssertionError, match="FAILED"):
        promtool(tmp_path, "test", "rules", "test.yaml")


def test_the_shipped_packs_export_to_a_file_that_promtool_takes(tmp_path: Path) -> None:
    exported = export(load(PACKS, METRICS).rules)
    (tmp_path / "rules.yaml").write_text(exported.text, encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "check", "rules", "rules.yaml")
    names = {rule["alert"] for rule in exported.document["groups"][0]["rules"]}
    assert {"HighErrorRate", "NoPredictions", "VolumeDropped", "FeatureShifted"} <= names
    assert exported.left_out["HighLatency"] == "the baseline of this metric is not exposed"
    assert "the confidence bound" in exported.differs["HighErrorRate"]
    assert f"# HighLatency is left out: {exported.left_out['HighLatency']}" in exported.text


_OF = 'client="acme",environment="production",model="fraud"'


@pytest.mark.parametrize(
    ("rule", "series", "fires"),
    [
        ("SchemaChanged", f'watchkeeper_feature_schema_change{{{_OF},feature="device",change="added"}}', True),
        ("FeatureShifted", f'watchkeeper_feature_drift_score{{{_OF},version="7",feature="x",method="psi"}}', True),
        ("FeatureShifted", f'watchkeeper_feature_drift_score{{{_OF},version="7",feature="x",method="ks"}}', False),
    ],
)  # fmt: skip
def test_rules_on_single_features_fire_in_prometheus(
    tmp_path: Path, rule: str, series: str, fires: bool
) -> None:
    """Their series have labels that the number of predictions, which they ask for as well, does not have."""
    (tmp_path / "rules.yaml").write_text(export(load(PACKS, METRICS).rules).text, encoding="utf-8")
    test = f"""
        rule_files: [rules.yaml]
        evaluation_interval: 1m
        tests:
        - interval: 1m
          input_series:
          - {{series: '{series}', values: '1x120'}}
          - {{series: 'watchkeeper_predictions_total{{{_OF},version="7"}}', values: '0+100x120'}}
          promql_expr_test:
          - expr: count(ALERTS{{alertname="{rule}",alertstate="firing"}})
            eval_time: 100m
            exp_samples: {"[{labels: '{}', value: 1}]" if fires else "[]"}
        """
    (tmp_path / "test.yaml").write_text(textwrap.dedent(test), encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "test.yaml")


@pytest.mark.parametrize(
    ("output", "found"), [("prediction", "watchkeeper_prediction_drift_score{"), ("confidence", "")]
)
def test_answers_have_a_series_and_confidence_has_none(tmp_path: Path, output: str, found: str) -> None:
    text = f"""
        groups:
          - name: mine
            rules:
              - alert: Shifted
                when: {{metric: psi, over: 1h, above: 0.1, match: [output="{output}"]}}
                labels: {{severity: info}}
                annotations: {{summary: x, impact: x}}
        """
    exported = export(rule_set(tmp_path, text).rules)
    assert ("Shifted" in exported.left_out) == (not found)
    assert found in exported.text
