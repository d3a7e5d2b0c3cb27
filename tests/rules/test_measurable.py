"""Windows that are shorter than the base windows are not judged, said so, and neither hold nor open any alert."""

from pathlib import Path

import pytest

from monitor.config.root import check
from monitor.config.rule_files import rules_in_force, rules_of, warnings_of
from monitor.metrics import METRICS, families_of
from monitor.records import Measurement, Stream, Window
from monitor.rules.engine.condition import Condition, EvaluationContext
from monitor.rules.engine.measurable import Unmeasurable, measurable
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.engine.unevaluable_rules import unjudged
from monitor.rules.rule import RuleSet
from tests.rules.test_packs import RULES

STREAM = Stream("acme", "fraud")
LENGTHS = (1, 60, 120, 300, 1800, 3600, 7200, 86400)
MINE = """\
groups:
  - name: mine
    labels: {severity: critical}
    rules:
      - alert: NothingMeasured
        when: {absent: error_rate, over: 5m}
      - alert: Odd
        when: {metric: error_rate, over: 45m, above: 5%}
      - alert: Burning
        when: {burn: {metric: error_rate, objective: 99.9%}}
      - alert: Quiet
        when: {metric: silence_seconds, over: 5m, above: 60s}
"""


def read(folder: Path, base: str) -> tuple[RuleSet, RuleSet, list[str]]:
    """Own rules as written and as judged, with base windows of a length, and what is said about them."""
    (folder / "mine.yaml").write_text(MINE)
    text = f"predictions: {{base_window: {base}}}\nrules: {{packs: [warning], files: [{folder}/mine.yaml]}}\n"
    (folder / "watchkeeper.yaml").write_text(text)
    config = check(folder / "watchkeeper.yaml").config
    rules = rules_of(config)
    return rules, rules_in_force(config), [str(one) for one in warnings_of(rules, config)]


def condition_of(rules: RuleSet, name: str) -> Condition:
    rule = rules.rule(name)
    assert rule is not None
    return rule.condition


@pytest.mark.parametrize("base", LENGTHS)
def test_no_rule_of_any_pack_reads_a_window_that_nothing_measures(base: int) -> None:
    for written, judged in zip(RULES.every(), measurable(RULES, base).every(), strict=True):
        of_windows = any(families_of([metric]) for metric in written.condition.metrics())
        short = {length for length in judged.condition.lengths() if OPEN < length < base}
        assert not (short and of_windows), judged.name
        if all(length % base == 0 for length in written.condition.lengths()):
            assert judged is written


@pytest.mark.parametrize("seconds", [60, 300])
def test_an_alert_that_the_last_seconds_opened_ends_although_no_minute_is_measured(seconds: int) -> None:
    window, now = Window(0, 10), 10.0
    rate = Measurement(STREAM, window, "error_rate", 0.0, "share", n=1000, low=0.0, high=0.001)
    context = EvaluationContext(STREAM, Readings({(STREAM, OPEN): [rate]}), (), now)
    result = condition_of(measurable(RULES, seconds * 10), "HighErrorRate").evaluate(context)[()]
    assert result.holds is False
    assert result.fires is False


def test_check_config_names_each_rule_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    rules, judged, said = read(tmp_path, "30m")
    (blind,) = [one for one in said if "InputOutOfRange" in one]
    rule = rules.rule("InputOutOfRange")
    assert rule is not None
    assert blind.startswith(
        f"{rule.source}:1: warning: InputOutOfRange: this rule never fires: its windows (5m)"
    )
    assert "predictions.base_window" in blind
    assert "`over: 30m`" in blind
    assert any("HighLatency: its part over 1m and 5m is not judged" in one for one in said)
    assert any("mine.yaml:5:1: warning: NothingMeasured: this rule never fires" in one for one in said)
    assert any("Odd: its windows of 45m are no multiple" in one and "`over: 1h`" in one for one in said)
    assert not any("Quiet" in one for one in said)
    assert condition_of(judged, "Quiet") == condition_of(rules, "Quiet")
    assert condition_of(judged, "Burning").lengths() == {6 * 3600, 1800}


def test_nothing_is_said_where_every_window_is_measured(tmp_path: Path) -> None:
    assert read(tmp_path, "1m")[2] == []


def test_a_metric_that_nothing_measures_is_not_absent(tmp_path: Path) -> None:
    context = EvaluationContext(STREAM, Readings({}), (), 0.0)
    written, judged, _ = read(tmp_path, "30m")
    assert condition_of(written, "NothingMeasured").evaluate(context)[()].fires is True
    assert condition_of(judged, "NothingMeasured").evaluate(context)[()].fires is None


def test_status_and_the_models_page_do_not_say_that_such_a_rule_watches() -> None:
    base = 1800
    figures = {name for one in RULES.rules for name in one.condition.metrics()} & {m.name for m in METRICS}
    some = [
        Measurement(STREAM, Window(0, base), name, 0.1, "share", n=1000, baseline=0.1) for name in figures
    ]
    said = "\n".join(unjudged(measurable(RULES, base), STREAM, some, some, base, 0.0))
    blind = [one.name for one in measurable(RULES, base).rules if isinstance(one.condition, Unmeasurable)]
    assert "InputOutOfRange" in blind
    for name in blind:
        assert name in said
    assert "cannot be evaluated: its windows of 5m are shorter than the base windows of 30m" in said
