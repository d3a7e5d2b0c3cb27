"""Figures against levels."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from monitor.records import State, labels
from monitor.rules.engine.evaluate import evaluate as look_once
from monitor.rules.engine.readings import Readings
from monitor.rules.engine.threshold import is_significantly_beyond
from tests.support.judging import Judge, measured, one_rule


@given(st.integers(1, 400), st.floats(0, 1), st.floats(-0.1, 1.1), st.sampled_from([0.9, 0.99, 0.9999]))
def test_the_exact_bound_is_scipys(n: int, share: float, limit: float, confidence: float) -> None:
    count = round(share * n)
    above = binomtest(count, n, alternative="greater").proportion_ci(confidence, method="exact").low
    below = binomtest(count, n, alternative="less").proportion_ci(confidence, method="exact").high
    if abs(limit - above) > 1e-9:
        assert is_significantly_beyond(count, n, limit, confidence, is_above=True) == (above > limit)
    if abs(limit - below) > 1e-9:
        assert is_significantly_beyond(count, n, limit, confidence, is_above=False) == (below < limit)


@given(st.integers(10, 2000))
def test_at_the_limit_itself_a_look_is_wrong_no_more_often_than_stated(n: int) -> None:
    firing = next(
        k for k in range(n + 2) if k > n or is_significantly_beyond(k, n, 0.05, 0.9999, is_above=True)
    )
    assert binom.sf(firing - 1, n, 0.05) <= 1e-4 + 1e-9


@pytest.mark.parametrize(
    ("when", "value", "baseline", "fires"),
    [
        ("{metric: latency_p95, over: open, above: 2x baseline}", 0.21, 0.1, True),
        ("{metric: latency_p95, over: open, above: 2x baseline}", 0.19, 0.1, False),
        ("{metric: latency_p95, over: open, above: 2x baseline}", 9.0, None, False),
        ("{metric: latency_p95, over: open, above: 500ms}", 0.51, None, True),
        ("{metric: accuracy, over: open, below: baseline - 3%}", 0.869, 0.9, True),
        ("{metric: accuracy, over: open, below: baseline - 3%}", 0.871, 0.9, False),
        ("{metric: accuracy, over: open, below: 0.75}", 0.74, 0.9, True),
        ("{metric: error_rate, over: open, above: 5%, samples: 2000}", 1.0, None, False),
        ("{metric: error_rate, over: open, above: 5%, confidence: 99.99%}", 0.06, None, False),
        ("{metric: error_rate, over: open, above: 5%, confidence: 99.99%}", 0.09, None, True),
        ("{metric: latency_p95, over: open, above: 2x baseline, assume: beyond}", 0.1, None, True),
    ],
)
def test_a_condition_holds_or_does_not(
    tmp_path: Path, when: str, value: float, baseline: float | None, fires: bool
) -> None:
    judge = Judge(one_rule(tmp_path, when))
    metric = when.split(":")[1].split(",")[0].strip()
    judge.look(measured(metric, value, baseline=baseline))
    assert (judge.state is State.FIRING) == fires


def test_what_is_behind_a_value_is_told_with_the_alarm_and_only_then(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{metric: psi, over: open, above: 0.2}"))
    judge.look(replace(measured("psi", 0.1), because="likeliest causes: version 8"))
    assert not any("version 8" in alert.reason for alert in judge.alerts.values())
    judge.look(replace(measured("psi", 0.3), because="likeliest causes: version 8"))
    assert next(iter(judge.alerts.values())).reason.startswith("likeliest causes: version 8 (psi is ")


def test_twice_last_week_asks_for_the_same_hour(tmp_path: Path) -> None:
    asked = []

    def past(stream: object, metric: str, instance: object, seconds: int, start: float, end: float) -> float:
        asked.append((metric, start, end))
        return 10.0

    rules = one_rule(tmp_path, "{metric: throughput, over: open, below: 0.5x last week}")
    judge = Judge(rules, past=past)
    judge.look(measured("throughput", 4.9, start=8 * 86400))
    assert judge.state is State.FIRING
    end = 8 * 86400 + 60 - 7 * 86400
    assert asked == [("throughput", end - 1800, end + 1800)]


def features(*values: float) -> list[object]:
    return [measured("psi", v, instance=labels(feature=f"f{i}")) for i, v in enumerate(values)]


def test_a_share_of_features_is_one_alert_that_names_them(tmp_path: Path) -> None:
    when = "{metric: psi, over: open, above: 0.2, share: {of: feature, above: 30%, clear: 20%}}"
    judge = Judge(one_rule(tmp_path, when))
    judge.look(*features(0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1))
    assert judge.state is State.INACTIVE
    judge.look(*features(0.5, 0.5, 0.9, 0.1, 0.1, 0.1, 0.1))
    (alert,) = judge.alerts.values()
    assert alert.reason == "3 of 7 features have psi beyond its limit (f0, f1, f2)"
    judge.look(*features(0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1))
    assert judge.state is State.FIRING, "28 % is not below the clear level of 20 %"


def test_each_feature_is_an_alert_of_its_own(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{metric: psi, over: open, above: 0.2}"))
    judge.look(*features(0.5, 0.1, 0.9))
    assert sorted(dict(alert.instance)["feature"] for alert in judge.alerts.values()) == ["f0", "f2"]
    judge.look(*features(0.1, 0.1, 0.9))
    assert sorted(a.state for a in judge.alerts.values()) == [State.FIRING, State.RESOLVED]


def test_matchers_choose_among_the_instances(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{metric: psi, over: open, above: 0.2, match: ['feature=~\"f[01]\"']}"))
    judge.look(*features(0.5, 0.1, 0.9))
    assert [dict(alert.instance) for alert in judge.alerts.values()] == [{"feature": "f0"}]


def test_a_rate_by_type_is_not_the_rate(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}"))
    judge.look(measured("error_rate", 0.9, instance=labels(type="timeout")))
    assert judge.alerts == {}
    by_type = Judge(one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}", by="[type]"))
    by_type.look(measured("error_rate", 0.9, instance=labels(type="timeout")))
    assert [dict(alert.instance) for alert in by_type.alerts.values()] == [{"type": "timeout"}]


def test_all_and_any_join_what_holds_and_what_is_unknown(tmp_path: Path) -> None:
    errors, slow = (
        "{metric: error_rate, over: open, above: 5%}",
        "{metric: latency_p95, over: open, above: 1s}",
    )
    cases = [
        ("all", 0.2, 2.0, State.FIRING),
        ("all", 0.2, 0.1, State.INACTIVE),
        ("all", 0.2, None, State.INACTIVE),
        ("any", 0.2, None, State.FIRING),
        ("any", 0.01, 2.0, State.FIRING),
        ("any", 0.01, None, State.INACTIVE),
    ]
    for kind, rate, latency, expected in cases:
        judge = Judge(one_rule(tmp_path, f"{{{kind}: [{errors}, {slow}]}}"))
        judge.look(measured("error_rate", rate), measured("latency_p95", latency))
        assert judge.state is expected, (kind, rate, latency)


def test_what_is_unknown_to_one_part_freezes_an_open_any(tmp_path: Path) -> None:
    errors, slow = (
        "{metric: error_rate, over: open, above: 5%}",
        "{metric: latency_p95, over: open, above: 1s}",
    )
    judge = Judge(one_rule(tmp_path, f"{{any: [{errors}, {slow}]}}"))
    judge.look(measured("error_rate", 0.2), measured("latency_p95", 0.1))
    judge.look(measured("error_rate", 0.0), measured("latency_p95", None))
    assert judge.state is State.FIRING
    judge.look(measured("error_rate", 0.0), measured("latency_p95", 0.1))
    assert judge.state is State.RESOLVED


def test_absence_fires_while_nothing_is_measured(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{absent: accuracy, over: open}", **{"for": "5s"}))
    for _ in range(7):
        judge.look(measured("volume", 5))
    assert judge.state is State.FIRING
    judge.look(measured("accuracy", 0.9))
    assert judge.state is State.RESOLVED


def test_a_budget_burns_when_the_long_and_the_short_window_do(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{burn: {metric: error_rate, objective: 99.9%}}"))

    def look(hour: float, five: float, six: float = 0.0, half: float = 0.0) -> State:
        judge.now += 1
        rates = {3600: hour, 300: five, 21600: six, 1800: half}
        readings = Readings(
            {(judge.stream, s): [measured("error_rate", r, seconds=s)] for s, r in rates.items()}
        )
        made = look_once(judge.rules, readings, judge.alerts, judge.now)
        judge.alerts |= {alert.fingerprint: alert for alert in made.alerts}
        return judge.state

    assert look(0.02, 0.0) is State.INACTIVE, "the short window says that it is over"
    assert look(0.0, 0.02) is State.INACTIVE, "the long one that it does not matter yet"
    assert look(0.0145, 0.0145) is State.FIRING, "14.4 times 0.1 % in both"
    assert look(0.0145, 0.0) is State.RESOLVED
    assert look(0.001, 0.001, 0.0061, 0.0061) is State.FIRING, "6 times in 6 h and 30 min"
