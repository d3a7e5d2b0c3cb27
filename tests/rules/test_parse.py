"""Rule files: what they may hold, and what they may not, with its place."""

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.metrics import METRICS
from monitor.records import Severity, Stream
from monitor.rules import load
from monitor.rules.rule import RuleSet
from monitor.rules.settings import RuleSettings
from monitor.shipped import shipped

GOOD = """\
groups:
- name: g
  labels: {severity: critical}
  rules:
  - alert: Bad
    when: {metric: error_rate, over: open, above: 5%}
    for: 1m
    annotations: {summary: "{client}: {value}", impact: It is bad.}
"""

PACKS = [shipped("rules") / f"{name}.yaml" for name in RuleSettings().packs]
SHIPPED = load(PACKS, METRICS, PACKS[0].parent)


def read(folder: Path, text: str, name: str = "rules.yaml") -> RuleSet:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load([path], METRICS, folder)


MISTAKES = [
    ("metric: error_rate", "metric: eror_rate", "6:12: error: RULE.when.metric", "did you mean 'error_rate'"),
    ("above: 5%", "above: five", "6:44: error: RULE.when.above", "'five' is not a level"),
    ("above: 5%", "abov: 5%", "6:44: error: RULE.when.abov", "did you mean 'above'"),
    ("above: 5%", "above: 5%, below: 1%", "6:5: error: RULE.when", "one of above, below"),
    ("for: 1m", "for: 24 hrs", "7:5: error: RULE.for", "'24 hrs' is not a duration"),
    ("for: 1m", "for: 90", "7:5: error: RULE.for", "is not a duration"),
    ("for: 1m", "windows: 5 of 3", "7:5: error: RULE.windows", "is not a count of windows"),
    ("severity: critical", "severity: urgent", "5:5: error: RULE.labels", "warning or info, not 'urgent'"),
    ('"{client}: {value}"', '"{clint}"', "8:19: error: RULE.annotations.summary", "did you mean 'client'"),
    ('"{client}: {value}"', '"{feature}"', "8:19: error: RULE.annotations.summary", "has {feature}"),
    ("impact: It is bad.", "impct: x", "8:5: error: RULE.annotations", "needs impact"),
    ("open", "open, match: [featur=a]", "6:52: error: RULE.when.match[0]", "has no label featur"),
    ("open", "open, match: ['type=~\"(\"']", "6:44: error: RULE.when.match", "broken regular expression"),
    ("over: open", "over: open, confidence: 200%", "6:44: error: RULE.when.confidence", "is not a confidence"),
    ("alert: Bad", "alert: bad name", "5:5: error: RULE.alert", "should match pattern"),
    ("groups:", "groops:", "1:1: error: groops", "did you mean 'groups'"),
    ("groups:", "include: [missing.yaml]\ngroups:", "1:11: error: include[0]", "no rule file missing.yaml"),
    ("groups:", "include: [rules.yaml]\ngroups:", "1:11: error: include[0]", "includes itself"),
    ("groups:", "off: [Bed]\ngroups:", "1:7: error: off[0]", "did you mean 'Bad'"),
    ("groups:", "extend: {Bed: {for: 1m}}\ngroups:", "1:10: error: extend.Bed", "there is no rule Bed"),
    ("groups:", "extend: {Bad: {for: soon}}\ngroups:", "1:16: error: extend.Bad.for", "is not a duration"),
    ("groups:", "overrides: [{match: [x], set: {}}]\ngroups:", "1:14: error: overrides[0].match", "is not a matcher"),
    ("for: 1m", "labels: {severity: critical, alertname: x}", "7:5: error: RULE.labels", "set by Watchkeeper"),
    ("severity: critical", "severity: critical, client: x", "3:3: error: groups[0].labels", "set by Watchkeeper"),
    ("for: 1m", "labels: {cost-center: x}", "7:5: error: RULE.labels", "such as cost_center"),
    ("for: 1m", "labels: {__x: x}", "7:5: error: RULE.labels", "is not a label name"),
    ("for: 1m", "labels: {team: 12}", "7:5: error: RULE.labels", "write it in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "words"), MISTAKES, ids=[new for _, new, _, _ in MISTAKES])
def test_each_mistake_is_told_with_its_place_and_a_way_out(
    tmp_path: Path, old: str, new: str, place: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    text = str(caught.value)
    assert f"rules.yaml:{place.replace('RULE', 'groups[0].rules[0]')}" in text
    assert words in text


def test_two_rules_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"5:5: error: groups\[1\]|Bad is defined twice"):
        read(tmp_path, GOOD + GOOD.removeprefix("groups:\n"))


def test_all_mistakes_come_in_one_run(tmp_path: Path) -> None:
    text = GOOD.replace("error_rate", "eror_rate").replace("{client}", "{clint}")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert len(caught.value.problems) == 2


def test_a_file_may_include_extend_and_switch_off(tmp_path: Path) -> None:
    read(tmp_path, GOOD + GOOD.partition("rules:\n")[2].replace("Bad", "Worse"), "base.yaml")
    text = "include: [base.yaml]\nextend: {Bad: {for: 5m, when: {above: 10%}}}\noff: [Worse]\n"
    rules = read(tmp_path, text)
    (rule,) = rules.rules
    assert (rule.name, rule.wait, rule.condition.level.offset) == ("Bad", 300.0, 0.1)  # type: ignore[attr-defined]


def test_the_last_override_that_matches_a_stream_counts(tmp_path: Path) -> None:
    overrides = (
        "overrides:\n"
        "- {match: [environment!=production], set: {labels: {severity: info}}}\n"
        "- {match: [client=acme, environment=staging], alerts: [Bad], set: {when: {above: 50%}}}\n"
        "- {match: [client=quiet], off: true}\n"
    )
    rules = read(tmp_path, overrides + GOOD)

    def rule(client: str, environment: str) -> list[tuple[Severity, float]]:
        found = rules.for_stream(Stream(client, "m", environment))
        return [(r.severity, r.condition.level.offset) for r in found]  # type: ignore[attr-defined]

    assert rule("beta", "production") == [(Severity.CRITICAL, 0.05)]
    assert rule("beta", "staging") == [(Severity.INFO, 0.05)]
    assert rule("acme", "staging") == [(Severity.CRITICAL, 0.5)]
    assert rule("quiet", "production") == []


@pytest.mark.parametrize("rule", sorted({entry.rule.name for entry in SHIPPED.entries}))
def test_each_shipped_rule_can_be_switched_off_and_the_others_stay(tmp_path: Path, rule: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"off: [{rule}]\n", encoding="utf-8")
    left = {entry.rule.name for entry in load([*PACKS, own], METRICS, PACKS[0].parent).entries}
    assert left == {entry.rule.name for entry in SHIPPED.entries} - {rule}


def test_a_name_that_was_never_a_rule_cannot_be_switched_off_twice_either(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("off: [HighErrorRate, HighErrorRate, HighErorRate]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no rule HighErorRate") as raised:
        load([*PACKS, own], METRICS, PACKS[0].parent)
    assert len(raised.value.problems) == 1
