"""What is shipped: every rule can be acted on by somebody who has never seen it."""

from pathlib import Path

import pytest

from monitor.metrics import METRICS
from monitor.records import DAEMON, Severity, Stream
from monitor.rules import load
from monitor.rules.engine.no_data import NAME as NO_DATA
from monitor.rules.exports import selftest
from monitor.rules.rule import Rule

ROOT = Path(__file__).parent.parent.parent
PACKS = [
    ROOT / "rules" / f"{name}.yaml"
    for name in ("critical", "warning", "info", "capacity", "answers", "daemon")
]
RULES = load(PACKS, METRICS)
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
names = pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)


@names
def test_each_rule_has_a_runbook_with_the_four_headings(rule: Rule) -> None:
    text = (RUNBOOKS / f"{rule.name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {rule.name}\n")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == HEADINGS


@names
def test_each_rule_says_what_it_means_and_what_to_look_at_first(rule: Rule) -> None:
    for name in ("summary", "impact"):
        assert 20 <= len(rule.annotation(name)) <= 140, name
    assert len(rule.annotation("checks").strip().splitlines()) == 3


@names
def test_each_rule_about_a_model_has_a_sentence_for_the_client(rule: Rule) -> None:
    is_ours = any(name in rule.source for name in ("daemon.yaml",)) or rule.name in (
        "WrongKeyRejections",
        "UnusualAccess",
        "DiskNearlyFull",
    )
    assert is_ours or rule.annotation("client").endswith(".")


def test_no_runbook_is_left_over() -> None:
    wanted = {rule.name for rule in RULES.rules} | {NO_DATA, "Storm", "StoreDown"}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == wanted


def test_the_three_packs_are_of_three_tiers() -> None:
    for path, tier in zip(PACKS, (Severity.CRITICAL, Severity.WARNING, Severity.INFO), strict=False):
        assert {rule.severity for rule in RULES.rules if str(path) in rule.source} == {tier}


@pytest.mark.parametrize("environment", ["staging", "development"])
def test_nobody_is_woken_for_what_serves_no_one(environment: str) -> None:
    rules = RULES.for_stream(Stream("acme", "fraud", environment))
    about_models = [rule for rule in rules if "daemon.yaml" not in rule.source]
    assert Severity.CRITICAL not in {rule.severity for rule in about_models}
    assert Severity.CRITICAL in {rule.severity for rule in RULES.for_stream(Stream("acme", "fraud"))}
    assert Severity.CRITICAL in {rule.severity for rule in RULES.for_stream(DAEMON)}


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.stem)
def test_each_pack_does_what_its_stories_say(pack: Path) -> None:
    results = selftest.run(pack.with_name(f"{pack.stem}_test.yaml"), METRICS)
    assert {result.name: result.problems for result in results if result.problems} == {}
    assert len(results) >= 2


def test_each_rule_has_a_story_in_which_it_fires() -> None:
    told = "".join(pack.with_name(f"{pack.stem}_test.yaml").read_text(encoding="utf-8") for pack in PACKS)
    untold = {rule.name for rule in RULES.rules if f"alert: {rule.name}," not in told}
    assert untold == {"ManyFeaturesDrifted"}, "its story is in test_threshold: a share of features"


def test_a_story_that_does_not_come_true_is_told(tmp_path: Path) -> None:
    story = (ROOT / "rules" / "critical_test.yaml").read_text(encoding="utf-8")
    (tmp_path / "critical.yaml").write_text(PACKS[0].read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "critical_test.yaml").write_text(story.replace("from: 68s", "from: 67s"), encoding="utf-8")
    first = selftest.run(tmp_path / "critical_test.yaml", METRICS)[0]
    assert first.problems == (
        "expected and did not happen: HighErrorRate from 1m7s to 2m35s",
        "happened and was not expected: HighErrorRate from 1m8s to 2m35s",
    )
