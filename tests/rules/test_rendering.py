"""What an alert says of its figures, for every shipped rule and every metric, whatever was measured."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics import METRICS
from monitor.records import Alert, DataState, Labels, Measurement, Window, labels
from monitor.rules import load
from monitor.rules.engine.condition import All, Any, Condition
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import Readings
from monitor.rules.engine.threshold import ShareLimit, Threshold
from monitor.rules.language.wording import bound, figure, placeholders
from monitor.rules.rule import Rule, RuleSet
from tests.rules.test_packs import PACKS
from tests.support.judging import START, STREAM

UNITS = {metric.name: metric.unit for metric in METRICS}
RULES = load(PACKS, METRICS)
BASELINE, PAST = 0.4, 2.0
AMONG = {"feature": "amount", "output": "confidence", "scope": "model", "change": "added"}


def thresholds(condition: Condition) -> Iterator[Threshold]:
    """Those of a condition, in the order in which they are written."""
    if isinstance(condition, All | Any):
        for part in condition.parts:
            yield from thresholds(part)
    elif isinstance(condition, Threshold):
        yield condition
    else:
        assert isinstance(condition, ShareLimit), condition
        yield condition.part


def limits(threshold: Threshold) -> list[float]:
    """The level, and the one at which it clears, with the references of this test."""
    known = (
        level.resolve(ref)
        for level in (threshold.level, threshold.clear)
        if level
        for ref in (BASELINE, PAST)
    )
    return [limit for limit in known if limit is not None]


def instance(rule: Rule, threshold: Threshold) -> Labels:
    """The labels that the matchers of a threshold want, and those that tell the alerts of the rule apart."""
    wanted = {matcher.name for matcher in threshold.matchers} | set(rule.by)
    return labels(**{name: AMONG.get(name, "accuracy") for name in wanted})


def is_shared(rule: Rule) -> bool:
    return isinstance(rule.condition, ShareLimit)


@st.composite
def looks(draw: st.DrawFn, rule: Rule) -> list[list[Measurement]]:
    """Some ticks, in each of which every metric of a rule is measured, or not, on either side of its limits."""
    wanted = {(one.metric, one.seconds, instance(rule, one)) for one in thresholds(rule.condition)}
    near = {one.metric: limits(one) for one in thresholds(rule.condition)}
    found = []
    for _ in range(draw(st.integers(1, 6))):
        tick = []
        for metric, seconds, among in sorted(wanted):
            beside = [
                limit * factor + step for limit in near[metric] for factor in (0.9, 1.1) for step in (0, 1e-3)
            ]
            value = draw(st.sampled_from([None, 0.0, 0.5, 43.0, 1.0, 1e5, *beside]))
            window = Window(0, seconds or 60)
            tick.append(
                Measurement(
                    STREAM, window, metric, value, UNITS[metric], n=1e6, labels=among, baseline=BASELINE
                )
            )
        found.append(tick)
    return found


def judged(rule: Rule, ticks: list[list[Measurement]]) -> Iterator[tuple[list[Measurement], Alert]]:
    """Each alert that is open or waits, with what was measured when it was evaluated."""
    rules = RuleSet(tuple(entry for entry in RULES.entries if entry.rule is rule))
    alerts: dict[str, Alert] = {}
    for number, tick in enumerate(ticks):
        by_length: dict[tuple[object, int], list[Measurement]] = {}
        for one in thresholds(rule.condition):
            by_length[STREAM, one.seconds] = [m for m in tick if m.window.seconds == (one.seconds or 60)]
        readings = Readings(by_length, lambda *_: PAST)  # type: ignore[arg-type]
        done = evaluate(rules, readings, alerts, START + 3600 * number, step=3600)
        alerts |= {alert.fingerprint: alert for alert in done.alerts}
        mine = [alert for alert in done.alerts if alert.rule == rule.name]
        yield from ((tick, alert) for alert in mine if alert.active_since is not None)


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)
def test_all_figures_of_a_rule_are_of_one_metric(rule: Rule) -> None:
    leading = thresholds(rule.condition)
    first = next(leading).metric
    parts = rule.condition.parts if isinstance(rule.condition, Any) else (rule.condition,)
    assert {next(thresholds(part)).metric for part in parts} == {first}


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)
@settings(max_examples=60)
@given(data=st.data())
def test_law_the_figures_of_an_alert_are_those_of_the_metric_that_its_texts_are_about(
    rule: Rule, data: st.DataObject
) -> None:
    first = next(thresholds(rule.condition))
    for tick, alert in judged(rule, data.draw(looks(rule))):
        if alert.data is not DataState.OK:
            continue
        assert alert.metric == first.metric
        if is_shared(rule):
            assert (alert.value, alert.unit) in ((0.0, "share"), (1.0, "share"))
            continue
        measured = {m.value for m in tick if m.metric == first.metric}
        assert alert.value in measured
        assert alert.value is None or alert.unit == UNITS[first.metric]
        if alert.is_open and alert.value is not None and alert.recovering_since is None:
            summary = alert.annotation("summary")
            assert not re.search(r"\{|  |: -|\b-$", summary), summary
            template = rule.annotation("summary")
            for name, said in (
                ("value", figure(alert.value, alert.unit)),
                ("limit", bound(alert.limit, alert.unit)),
            ):
                assert name not in placeholders(template) or said in summary


@given(st.sampled_from(sorted(set(UNITS.values()))), st.floats(-1e9, 1e9, allow_subnormal=False))
def test_law_a_figure_reads_as_what_was_measured(unit: str, value: float) -> None:
    said = figure(value, unit)
    assert "e+" not in said
    number = re.match(r"-?[\d,.]+(e-\d+)?", said)
    if unit == "of the limit" or (unit == "seconds" and abs(value) >= 119):
        return  # words, and durations
    assert number is not None
    factor = {"share": 0.01}.get(unit, 1.0) if not said.endswith(" ms") else 0.001
    assert float(number[0].replace(",", "")) * factor == pytest.approx(value, rel=0.006, abs=1e-300)
    assert (number[0] == "1") <= (not said.endswith("s") or unit == "seconds")


def test_a_condition_that_holds_names_every_part_and_keeps_the_figure_of_the_first() -> None:
    """Seen on a daemon: `no predictions for 43 predictions`."""
    rule = RULES.rule("NoPredictions")
    assert rule is not None
    values = {("silence_seconds", 0): 1000.0, ("volume", 3600): 100.0, ("throughput", 300): 0.0}
    beside = {("silence_ratio", 0): 0.9, ("volume", 86400): 100.0, ("throughput", 3600): 1.0}

    def tick(**changed: float) -> list[Measurement]:
        return [
            Measurement(
                STREAM, Window(0, seconds or 60), metric, changed.get(metric, value), UNITS[metric], n=100
            )
            for (metric, seconds), value in (values | beside).items()
        ]

    *_, (_, alert) = judged(rule, [tick(), tick(volume=43.0)])
    assert alert.annotation("summary").endswith("no predictions for 16m40s")
    assert "silence_ratio is 0.9 times the limit" in alert.reason
    assert "silence_seconds is 16m40s" in alert.reason


@pytest.mark.parametrize(
    ("estimate", "said"),
    [("mae", "the estimated MAE was 64.6 % lower"), ("accuracy", "the estimated accuracy was")],
)
def test_an_abbreviation_among_the_labels_is_written_as_one(estimate: str, said: str) -> None:
    rule = next(rule for rule in RULES.rules if rule.name == "EstimatesOff")
    of = labels(estimate=estimate)
    tick = [
        Measurement(STREAM, Window(0, one.seconds), one.metric, -0.646, UNITS[one.metric], n=1e6, labels=of)
        for one in thresholds(rule.condition)
    ]
    (alert, *_) = [alert for _, alert in judged(rule, [tick])]
    assert said in alert.annotation("summary")
    assert dict(alert.instance) == {"estimate": estimate}
