"""Each kind of condition against a calculation of its own, written without the engine."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evaluation.past_measurements import PastMeasurements
from monitor.records import Alert, Measurement, Severity, State, Stream, Window, labels
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Any, ConditionResult, EvaluationContext
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.engine.state import decide
from monitor.rules.engine.threshold import Absent, ShareLimit, Threshold
from monitor.rules.language.level import Level, parse_level
from monitor.rules.language.matchers import parse
from monitor.rules.rule import Rule
from monitor.store import measurements
from monitor.store.db import Store
from tests.support import schema
from tests.support.judging import START as NOW
from tests.support.judging import STREAM, Judge, measured, one_rule

RATES = st.floats(0.0, 1.0, allow_nan=False)


def ask(
    condition: object, found: dict[int, list[Measurement]], by: tuple[str, ...] = ()
) -> dict[object, object]:
    readings = Readings({(STREAM, seconds): some for seconds, some in found.items()})
    return dict(condition.evaluate(EvaluationContext(STREAM, readings, by, NOW)))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("tier", "table"),
    [
        ("page", [(14.4, 60, 5), (6.0, 360, 30)]),
        ("ticket", [(3.0, 1440, 120), (1.0, 4320, 360)]),
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_a_budget_burns_as_the_table_of_the_workbook_says(
    tier: str, table: list[tuple[float, int, int]], seed: int
) -> None:
    """Three days of minutes with faults; the table (rate, long, short window in minutes) over raw counts."""
    random = np.random.default_rng(seed)
    total = random.integers(50, 150, 4320)
    failing = np.repeat(random.choice([0.0, 0.0005, 0.004, 0.03, 0.2], 48), 90)
    failed = random.binomial(total, failing)
    burn = Burn.of("error_rate", 0.999, tier)
    for at in range(200, 4321, 97):

        def rate(minutes: int, at: int = at) -> float:
            return float(failed[max(at - minutes, 0) : at].sum() / total[max(at - minutes, 0) : at].sum())

        expected = any(
            rate(long) > factor * 0.001 and rate(short) > factor * 0.001 for factor, long, short in table
        )
        lengths = {minutes for _, long, short in table for minutes in (long, short)}
        found = {m * 60: [measured("error_rate", rate(m), seconds=m * 60)] for m in lengths}
        assert ask(burn, found)[()].fires is expected, (at, [rate(m) for m in sorted(lengths)])  # type: ignore[attr-defined]


@given(st.lists(st.one_of(RATES, st.none()), min_size=1, max_size=30), RATES, RATES)
def test_a_share_counts_the_features_that_are_beyond_among_those_that_were_measured(
    values: list[float | None], limit: float, share: float
) -> None:
    condition = ShareLimit(
        Threshold("psi", OPEN, Level(offset=limit), is_above=True), "feature", share, share
    )
    found = [measured("psi", value, instance=labels(feature=f"f{i}")) for i, value in enumerate(values)]
    result = ask(condition, {OPEN: found})[()]
    known = [value for value in values if value is not None]
    if not known:
        assert result.fires is None  # type: ignore[attr-defined]
    else:
        assert result.fires is (sum(value > limit for value in known) > share * len(known))  # type: ignore[attr-defined]


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.sampled_from([0.5, 1.5, 2.0, 3.0]))
def test_a_multiple_of_the_baseline_is_that_many_times_it(
    value: float, baseline: float, factor: float
) -> None:
    level = Level(factor=factor, reference="baseline")
    found = {OPEN: [measured("latency_p95", value, baseline=baseline)]}
    above = ask(Threshold("latency_p95", OPEN, level, is_above=True), found)[()]
    below = ask(Threshold("latency_p95", OPEN, level, is_above=False), found)[()]
    assert (above.fires, below.fires) == (value > factor * baseline, value < factor * baseline)  # type: ignore[attr-defined]


def test_an_open_alert_tells_the_figures_of_the_branch_that_keeps_it_open() -> None:
    now = Threshold("latency_p95", OPEN, parse_level("100ms"), is_above=True)
    lately = Threshold("latency_p95", 300, parse_level("100ms"), is_above=True, clear=parse_level("80ms"))
    found = {OPEN: [measured("latency_p95", None)], 300: [measured("latency_p95", 0.09, seconds=300)]}
    result = ask(Any((now, lately)), found)[()]
    assert (result.fires, result.holds) == (None, True)  # type: ignore[attr-defined]
    assert result.value == 0.09  # type: ignore[attr-defined]
    assert "latency_p95 is 90 ms" in result.reason  # type: ignore[attr-defined]


@given(st.lists(st.one_of(RATES, st.none()), max_size=4))
def test_absence_is_that_nothing_was_measured(values: list[float | None]) -> None:
    found = [measured("accuracy", value, instance=labels(version=str(i))) for i, value in enumerate(values)]
    result = ask(Absent("accuracy", OPEN), {OPEN: found})[()]
    assert result.fires is all(value is None for value in values)  # type: ignore[attr-defined]


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_k_of_n_windows_are_counted_over_the_last_n_windows(
    beyond: list[bool], needed: int, more: int
) -> None:
    of = needed + more
    rule = Rule("Bad", Severity.CRITICAL, Absent("x", 60), needed=needed, of=of)
    alert = Alert("f", "Bad", Severity.CRITICAL, STREAM)
    for at, answer in enumerate(beyond):
        result = ConditionResult(answer, answer, "", window=Window(at * 60, at * 60 + 60))
        for look in range(3):  # the same window looked at again counts once
            alert = decide(rule, result, alert, NOW + at * 60 + look, 10.0).alert
        if alert.flapping:
            return  # held open from here on, whatever the count says
        assert alert.is_open is (sum(beyond[max(0, at + 1 - of) : at + 1]) >= needed)


@given(
    st.text("ab.1", max_size=4),
    st.text("ab.1", max_size=4),
    st.sampled_from(["=", "!=", "=~", "!~"]),
)
def test_matchers_mean_what_prometheus_means_by_them(found: str, wanted: str, operator: str) -> None:
    matcher = parse(f'model{operator}"{wanted}"')
    is_equal, is_match = found == wanted, re.fullmatch(wanted, found) is not None
    expected = {"=": is_equal, "!=": not is_equal, "=~": is_match, "!~": not is_match}[operator]
    assert matcher.matches({"model": found}) is expected
    assert parse(str(matcher)) == matcher


def test_a_label_that_is_absent_is_the_empty_string() -> None:
    assert parse('version=""').matches({})
    assert parse('version!="7"').matches({})
    assert parse('version=~".*"').matches({})
    assert not parse('version=~".+"').matches({})


def test_half_of_last_week_is_held_against_the_stored_hours_around_the_same_time(tmp_path: Path) -> None:
    store, random = Store(f"sqlite:///{tmp_path}/a.db"), np.random.default_rng(7)
    schema.create(store)
    now = 1_800_000_000 - 1_800_000_000 % 3600 + 1200
    hours = {now - 1200 - 3600 * back: float(random.uniform(5, 15)) for back in range(24 * 9)}
    for start, value in hours.items():
        window = Window(start, start + 3600)
        with store.write() as connection:
            measurements.put(
                connection, STREAM, window, [Measurement(STREAM, window, "throughput", value)], now
            )
    rules = one_rule(tmp_path, "{metric: throughput, over: 5m, below: 0.5x last week}")
    then = now - 7 * 86_400
    around = [value for start, value in hours.items() if start + 3600 > then - 1800 and start < then + 1800]
    assert len(around) == 2
    for value, fires in ((np.mean(around) * 0.49, True), (np.mean(around) * 0.51, False)):
        judge = Judge(rules, past=PastMeasurements(store))
        found = Measurement(STREAM, Window(now - 300, now), "throughput", float(value), n=100)
        judge.look(found, seconds=300)
        assert (judge.state is State.FIRING) is fires
    store.close()


def test_a_small_sample_is_not_judged_and_a_large_one_is(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%, samples: 100}"))
    judge.look(measured("error_rate", 1.0, n=99))
    assert judge.state is State.INACTIVE
    judge.look(measured("error_rate", 1.0, n=100))
    assert judge.state is State.FIRING
    judge.look(measured("error_rate", 0.0, n=99))
    assert judge.state is State.FIRING, "and too small a one is not the end of it either"


def test_by_version_each_version_is_an_alert_of_its_own(tmp_path: Path) -> None:
    rules = one_rule(
        tmp_path, "{metric: error_rate, over: open, above: 5%, match: ['version=~\".+\"']}", by="[version]"
    )
    judge = Judge(rules)
    judge.look(
        *(measured("error_rate", v, instance=labels(version=name)) for name, v in (("7", 0.01), ("8", 0.3)))
    )
    assert [dict(alert.instance) for alert in judge.alerts.values()] == [{"version": "8"}]


def test_a_rule_may_be_about_some_clients_models_and_environments_only(tmp_path: Path) -> None:
    rules = one_rule(
        tmp_path,
        "{metric: error_rate, over: open, above: 5%}",
        match='[client=~"acme|globex", model!="demo", environment=production]',
    )
    applies = {
        Stream("acme", "fraud"): True,
        Stream("globex", "fraud"): True,
        Stream("initech", "fraud"): False,
        Stream("acme", "demo"): False,
        Stream("acme", "fraud", "staging"): False,
    }
    assert {stream: bool(rules.for_stream(stream)) for stream in applies} == applies


@pytest.mark.parametrize("explained", [True, False])
def test_a_part_about_other_instances_is_not_met_and_one_about_this_is_unknown_where_nothing_was_measured(
    explained: bool,
) -> None:
    def beyond(metric: str, limit: float, *matchers: str) -> Threshold:
        return Threshold(metric, 60, parse_level(limit), is_above=True, matchers=tuple(map(parse, matchers)))

    def fires(condition: Any | All, value: float) -> dict[object, bool | None]:
        found = [measured("gap", value, instance=labels(estimate="accuracy"))]
        context = EvaluationContext(STREAM, Readings({(STREAM, 60): found}), ("estimate",), NOW, explained)
        return {instance: result.fires for instance, result in condition.evaluate(context).items()}

    accuracy, mae = beyond("gap", 0.03, 'estimate="accuracy"'), beyond("gap", 0.1, 'estimate="mae"')
    instance = (("estimate", "accuracy"),)
    assert fires(Any((accuracy, mae)), 0.5) == {instance: True}
    assert fires(Any((accuracy, mae)), 0.0) == {instance: False}
    assert fires(Any((accuracy, All((mae, beyond("volume", 10))))), 0.0) == {instance: False}
    assert fires(All((accuracy, mae)), 0.5) in ({instance: False}, {})
    assert fires(Any((accuracy, beyond("other", 0.1, 'estimate=~".+"'))), 0.0) == {instance: None}
    assert fires(Any((accuracy, beyond("volume", 10))), 0.0) == {instance: None}
