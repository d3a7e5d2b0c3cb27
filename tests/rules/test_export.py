"""Exported rules, read and run by the real promtool: they say what our own engine says, minute by minute."""

import json
import shutil
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.metrics import METRICS
from monitor.records import Alert, DataState, Measurement, State
from monitor.rules import load
from monitor.rules.exports.exposed import used_thresholds
from monitor.rules.exports.prometheus_rules import dump, export
from monitor.rules.exports.unit_test import Scenario, compared, open_alerts, synthetic_minute, unit_test
from monitor.rules.rule import Rule, RuleSet
from tests.support.judging import rule_set
from tests.support.thorough import THOROUGH

ROOT = Path(__file__).parent.parent.parent
PACKS = [ROOT / "rules" / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
PROMTOOL = shutil.which("promtool")
SHIPPED = load(PACKS, METRICS)
OWN = """
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
    when: {metric: accuracy, over: 5m, below: 0.7, clear: 0.8, confidence: 99%}
    for: 2m
    annotations: {summary: "{value}", impact: x}
  - alert: Both
    when: {all: [{metric: error_rate, over: 1m, above: 5%}, {metric: drifted_share, over: 5m, above: 0.75}]}
    annotations: {summary: s, impact: x}
  - alert: Either
    when: {any: [{metric: error_rate, over: 1m, above: 20%}, {metric: drifted_share, over: 5m, below: 0.6}]}
    keep_firing_for: 2m
    annotations: {summary: s, impact: x}
  - alert: Assumed
    when: {metric: throughput, over: 5m, below: 0.5x yesterday, assume: beyond}
    annotations: {summary: s, impact: x}
  - alert: Burning
    when: {burn: {metric: error_rate, objective: 99%, tier: page}}
    annotations: {summary: s, impact: x}
"""


STORIES = range(6) if THOROUGH else range(1)
"""Seeds of the dirty series that promtool is given for each rule."""


def promtool(folder: Path, *arguments: str) -> str:
    assert PROMTOOL is not None, "promtool is not installed (apt-get install prometheus)"
    ran = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def only(rules: RuleSet, name: str) -> RuleSet:
    return RuleSet(tuple(entry for entry in rules.entries if entry.rule.name == name))


def dirty(rule: Rule, seed: int) -> Scenario:
    """Two hours in spells: good, bad, in between, of few rows, infinite, with and without baseline, or missing."""
    random = np.random.default_rng(seed)
    names = ("amount", "age", "country")
    sides = {beyond: synthetic_minute(rule, beyond) for beyond in (False, True)}
    places = sorted(
        {(one.threshold.seconds, one.threshold.metric) for one in used_thresholds(rule.condition, rule.by)}
    )
    spells: dict[tuple[object, ...], tuple[int, Measurement | None]] = {}

    def drawn(place: tuple[int, str], name: str) -> Measurement | None:
        ends = [next(one for one in sides[b][place[0]] if one.metric == place[1]) for b in (False, True)]
        kind = random.choice(["good", "bad", "bad", "between", "few", "infinite", "no baseline", "missing"])
        good, bad = (one.value or 0.0 for one in ends)
        share = {"good": 0.0, "between": float(random.uniform(0.3, 0.7))}.get(kind, 1.0)
        value = good + (bad - good) * share
        labels = tuple((key, name if key == "feature" else text) for key, text in ends[0].labels)
        one = replace(ends[0], value=value, labels=labels, n=float(random.choice([150, 700, 10**5])))
        one = replace(one, low=value - abs(value) * 0.1, high=value + abs(value) * 0.1)
        if kind == "missing":
            return replace(one, value=None, reason="not measured") if random.integers(2) else None
        changed = {"few": {"n": 3.0}, "infinite": {"value": float("inf")}, "no baseline": {"baseline": None}}
        return replace(one, **changed.get(kind, {}))  # type: ignore[arg-type]

    minutes = []
    for minute in range(120):
        now: dict[int, list[Measurement]] = {}
        for place in places:
            has_features = any("feature" in dict(one.labels) for one in sides[True][place[0]])
            for name in names if has_features else names[:1]:
                ends, drawn_last = spells.get((place, name), (0, None))
                if minute >= ends:
                    drawn_last = drawn(place, name)
                    spells[place, name] = (minute + int(random.integers(1, 20)), drawn_last)
                now.setdefault(place[0], []).extend([] if drawn_last is None else [drawn_last])
        minutes.append(now)
    return Scenario(minutes, float(random.choice([0.05, 0.1, 0.3])) if random.integers(4) else None)


def as_prometheus_does(alert: Alert) -> Alert:
    """The differences that the file's header states: a gap starts both waits anew, and nothing counts as flapping."""
    alert = replace(alert, changes=(), flapping=False)
    if alert.data is DataState.OK:
        return alert
    if alert.state is State.PENDING:
        return replace(alert, state=State.INACTIVE, held=0.0)
    return replace(alert, state=State.FIRING, held=0.0) if alert.state is State.RECOVERING else alert


def agree(folder: Path, rules: RuleSet, rule: Rule, stories: list[Scenario]) -> None:
    exported = export(rules)
    assert not exported.left_out
    (folder / "rules.yaml").write_text(exported.text, encoding="utf-8")
    tests = [compared(rules, rule, story, as_prometheus_does) for story in stories]
    text = dump({"rule_files": ["rules.yaml"], "evaluation_interval": "60s", "tests": tests})
    (folder / "test.yaml").write_text(text, encoding="utf-8")
    assert "SUCCESS" in promtool(folder, "test", "rules", "test.yaml")


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.name)
def test_each_shipped_rule_agrees_with_ours_on_dirty_series(tmp_path: Path, rule: Rule) -> None:
    agree(tmp_path, only(SHIPPED, rule.name), rule, [dirty(rule, seed) for seed in STORIES])


@pytest.mark.parametrize("place", range(7))
def test_rules_of_our_own_agree_on_dirty_series(tmp_path: Path, place: int) -> None:
    rules = rule_set(tmp_path, OWN)
    rule = rules.rules[place]
    agree(tmp_path, only(rules, rule.name), rule, [dirty(rule, seed) for seed in STORIES])


def test_dirty_series_make_alerts_come_and_go() -> None:
    """So that the agreement says something: rules fire, end, and are frozen in these stories."""
    for rule in SHIPPED.rules:
        seen = [
            len(some)
            for seed in range(6)
            for some in open_alerts(only(SHIPPED, rule.name), rule, dirty(rule, seed))
        ]
        assert max(seen) > 0, rule.name
        assert min(seen) == 0, rule.name


def test_the_agreement_is_no_accident_a_wrong_limit_is_noticed(tmp_path: Path) -> None:
    wrong = export(only(SHIPPED, "HighErrorRate")).text.replace("> bool 0.05", "> bool 0.4")
    (tmp_path / "exported.yaml").write_text(wrong, encoding="utf-8")
    text = unit_test(SHIPPED, "exported.yaml", ["HighErrorRate"])
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="FAILED"):
        promtool(tmp_path, "test", "rules", "test.yaml")


def test_all_shipped_rules_export_and_their_unit_tests_pass(tmp_path: Path) -> None:
    exported = export(SHIPPED)
    assert exported.left_out == {}
    (tmp_path / "rules.yaml").write_text(exported.text, encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "check", "rules", "rules.yaml")
    written = [rule for rule in exported.document["groups"][0]["rules"] if "alert" in rule]
    assert {rule["alert"] for rule in written} == {rule.name for rule in SHIPPED.rules}
    text = unit_test(SHIPPED, "rules.yaml", ["HighErrorRate", "ManyFeaturesDrifted"])
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "test.yaml")


_M = "watchkeeper_measurement"


def _series(stream: str, metric: str, over: str, upper: str = "99%", **figures: float) -> str:
    made = []
    for figure, value in figures.items():
        extra = {"past": ',reference="last week"', "lower_bound": ',confidence="99.995%"'}.get(figure, "")
        extra = f',confidence="{upper}"' if figure == "upper_bound" else extra
        series = f'{_M}_{figure}{{{stream},metric="{metric}",window="{over}"{extra}}}'
        made.append(f"{{series: '{series}', values: '{value}x400'}}")
    return ", ".join(made)


_OF = 'client="acme",environment="production",model="fraud"'
_STAGING = _OF.replace("production", "staging")


@pytest.mark.parametrize(
    ("rule", "series", "severity", "told"),
    [
        ("HighErrorRate", _series(_OF, "error_rate", "open", value=0.0962, rows=1000, lower_bound=0.08), "critical",
         ("acme/fraud", "9.62%", "5 %")),
        ("HighErrorRate", _series(_STAGING, "error_rate", "open", value=0.0962, rows=1000, lower_bound=0.08), "warning",
         ("staging", "9.62%", "5 %")),
        ("LowAccuracy", _series(_OF, "accuracy", "1d", value=0.7, rows=1000, baseline=0.91, upper_bound=0.75),
         "warning", ("70%", "86%")),
        ("VolumeRose", _series(_OF, "throughput", "1h", value=5.0, rows=1000, past=2.0), "info",
         ("5 per second", "2 per second")),
        ("UnequalOpportunity", _series(f'{_OF},group="sex=f",reference_group="sex=m"', "equal_opportunity_difference",
                                       "1d", upper="99.995%", value=-0.25, rows=900, upper_bound=-0.2), "info",
         ("is 0.25 lower than that of sex=m",)),
        ("EstimatesOff", _series(f'{_OF},estimate="mae"', "estimate_gap", "1d", upper="99.995%", value=-0.646,
                                 rows=900, upper_bound=-0.6), "info",
         ("the estimated MAE was 64.6% lower than measured later",)),
        ("EvaluationStalled", _series(_OF, "tick_age_seconds", "open", value=90.0, rows=0), "critical",
         ("1m 30s",)),
    ],
)  # fmt: skip
def test_what_is_told_has_units_limits_and_baselines(
    tmp_path: Path, rule: str, series: str, severity: str, told: tuple[str, ...]
) -> None:
    exported = export(only(SHIPPED, rule))
    (tmp_path / "rules.yaml").write_text(exported.text, encoding="utf-8")
    stream = _STAGING if "staging" in series else _OF
    found = promtool_alerts(tmp_path, rule, series)
    summary = found.split('summary="')[1].split('"')[0]
    assert all(words in summary for words in told), summary
    assert f'severity="{severity}"' in found
    assert stream.split(",")[1] in found


def promtool_alerts(folder: Path, rule: str, series: str) -> str:
    """What promtool says that it got, where nothing was expected."""
    test = f"""
        rule_files: [rules.yaml]
        evaluation_interval: 1m
        tests:
        - interval: 1m
          input_series: [{series}]
          alert_rule_test:
          - {{eval_time: 60m, alertname: {rule}, exp_alerts: []}}
        """
    (folder / "test.yaml").write_text(textwrap.dedent(test), encoding="utf-8")
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return (ran.stdout + ran.stderr).replace('\\"', '"')


def test_what_has_no_form_is_left_out_with_its_reason(tmp_path: Path) -> None:
    text = """
        groups:
          - name: mine
            rules:
              - alert: Mixed
                when: {all: [{metric: psi, over: 1h, above: 0.1}, {metric: error_rate, over: 1h, above: 5%}]}
                labels: {severity: info}
                annotations: {summary: x, impact: x}
        """
    exported = export(rule_set(tmp_path, text))
    assert "# Mixed is not exported: it combines metrics of single inputs" in exported.text


def test_braces_in_annotations_and_labels_are_texts_for_prometheus(tmp_path: Path) -> None:
    texts = ["{{ $value }}", "{{value}}", "{", "}}", "{{{ x }}", 'a "{{" b']
    rules = "".join(
        f"""
  - alert: Braces{n}
    when: {{metric: error_rate, over: 5m, above: 5%}}
    labels: {{severity: info, note: {json.dumps(text)}}}
    annotations: {{summary: {json.dumps(text)}, impact: x}}"""
        for n, text in enumerate(texts)
    )
    own = tmp_path / "own.yaml"
    own.write_text(f"groups:\n- name: g\n  rules:{rules}\n", encoding="utf-8")
    exported = export(load([own], METRICS, tmp_path))
    (tmp_path / "rules.yaml").write_text(exported.text, encoding="utf-8")
    assert "SUCCESS" in promtool(tmp_path, "check", "rules", "rules.yaml")
    written = [rule["labels"]["note"] for rule in exported.document["groups"][0]["rules"] if "alert" in rule]
    assert [note.replace('{{ "{" }}', "{") for note in written] == texts
