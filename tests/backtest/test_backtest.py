"""The past judged again, against the live judge on the same figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.backtest import actual, backtest, compare, summary
from monitor.backtest.measurement_history import MeasurementHistory
from monitor.backtest.run import Firing, evaluate_rule
from monitor.metrics import METRICS
from monitor.records import Alert, Measurement, State, Stream, Transition, Window
from monitor.rules import load
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store import measurements
from monitor.store.db import Store
from monitor.store.timeseries import MeasurementColumns
from tests.support import month, schema
from tests.support.judging import STREAM, measured, one_rule, rule_set
from tests.support.thorough import SHARED_FIXTURES, examples

START = 1_800_000_000 - 1_800_000_000 % 3600


def history(values: list[float], metric: str = "error_rate", n: float = 1000) -> MeasurementHistory:
    """Base windows of a minute with these values, NaN for none."""
    count = len(values)
    starts = START + 60 * np.arange(count)
    nothing = np.full(count, np.nan)
    columns = MeasurementColumns(
        starts, np.array(values), np.full(count, n), nothing, nothing, np.full(count, 0.1), 60, "share"
    )
    return MeasurementHistory(STREAM, 60, starts + 60, {60: {(metric, ()): columns}})


def judged_live(rules: RuleSet, values: list[float]) -> list[tuple[float, float | None]]:
    """When the live judge fires and resolves, looking once a minute."""
    alerts: dict[str, Alert] = {}
    transitions: list[Transition] = []
    for minute, value in enumerate(values):
        now = float(START + 60 * minute + 60)
        figure = None if np.isnan(value) else value
        reading = replace(measured("error_rate", figure, start=START + 60 * minute), baseline=0.1)
        made = evaluate(rules, Readings({(STREAM, OPEN): [reading]}), alerts, now, step=60.0)
        alerts |= {alert.fingerprint: alert for alert in made.alerts}
        transitions += [t for t in made.transitions if t.rule == "Bad"]
    return [(firing.started_at, firing.ended_at) for firing in actual(transitions)]


@pytest.mark.parametrize("windows", ["1 of 1", "2 of 3"])
@pytest.mark.parametrize("when", ["{metric: error_rate, over: open, above: 5%, clear: 3%}"])
@settings(suppress_health_check=SHARED_FIXTURES, max_examples=examples(30))
@given(
    st.lists(st.sampled_from([0.0, 0.02, 0.04, 0.06, 0.2, float("nan")]), min_size=1, max_size=80),
    st.sampled_from(["0s", "2m", "5m"]),
    st.sampled_from(["0s", "3m"]),
)
def test_it_fires_and_ends_exactly_when_the_live_judge_would(
    tmp_path: Path, windows: str, when: str, values: list[float], wait: str, keep: str
) -> None:
    rules = one_rule(tmp_path, when, **{"for": wait, "keep_firing_for": keep, "windows": windows})
    found = evaluate_rule(rules.rules[0], history(values))
    assert [(f.started_at, f.ended_at) for f in found] == judged_live(rules, values)


def fill(store: Store, stream: Stream, minutes: int, bad: range) -> None:
    """Stored minutes with an error rate, a volume and a latency; `bad` are the minutes that fail."""
    with store.write() as connection:
        for minute in range(minutes):
            window = Window(START + 60 * minute, START + 60 * minute + 60)
            rate = 0.5 if minute in bad else 0.01
            figures = [("error_rate", rate, "share"), ("volume", 100.0, ""), ("latency_p95", 0.05, "seconds")]
            rows = [Measurement(stream, window, name, value, unit, n=100) for name, value, unit in figures]
            measurements.put(connection, stream, window, rows, window.end)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(made)
    return made


RULES = """
groups:
- name: g
  labels: {severity: critical}
  rules:
  - alert: Quick
    when: {metric: error_rate, over: open, above: 5%}
    annotations: {summary: "{value}", impact: x}
  - alert: Slow
    when: {metric: error_rate, over: 5m, above: 25%, samples: 400}
    annotations: {summary: "{value}", impact: x}
  - alert: Never
    when: {metric: latency_p95, over: open, above: 1s}
    annotations: {summary: "{value}", impact: x}
"""


def test_stored_minutes_are_judged_over_each_length_that_a_rule_asks_for(
    tmp_path: Path, store: Store
) -> None:
    fill(store, STREAM, 60, range(20, 30))
    told: list[tuple[int, int]] = []
    result = backtest(
        store,
        rule_set(tmp_path, RULES),
        START,
        START + 3600,
        base_seconds=60,
        progress=lambda done, total: told.append((done, total)),
    )
    spans = {f.rule: ((f.started_at - START) / 60, ((f.ended_at or 0) - START) / 60) for f in result.firings}
    # Five minutes hold 25 % once the third of them fails (3 x 0.5 + 2 x 0.01 = 30 %).
    assert spans == {"Quick": (21, 31), "Slow": (23, 33)}
    assert told == [(1, 1)]
    assert result.moments == 60


def test_two_rule_files_and_what_really_fired_stand_side_by_side(tmp_path: Path, store: Store) -> None:
    fill(store, STREAM, 60, range(20, 30))
    strict = backtest(store, rule_set(tmp_path, RULES), START, START + 3600, base_seconds=60)
    loose = backtest(
        store,
        rule_set(tmp_path, RULES.replace("above: 5%", "above: 60%")),
        START,
        START + 3600,
        base_seconds=60,
    )
    lines = {line.rule: line for line in compare(loose, strict)}
    assert (lines["Quick"].times, lines["Quick"].other_times) == (0, 1)
    assert lines["Quick"].other_seconds == 600
    really = [Firing("Other", strict.firings[0].severity, STREAM, (), START, None, "")]
    assert [(x.rule, x.times, x.other_times) for x in summary(strict, really)] == [
        ("Quick", 1, 0),
        ("Slow", 1, 0),
        ("Other", 0, 1),
    ]


def test_transitions_pair_into_what_really_fired() -> None:
    def change(at: float, before: State, to: State) -> Transition:
        return Transition("f", at, before, to, 1, "why", "Bad", stream=STREAM)

    changes = [
        change(1, State.INACTIVE, State.PENDING),
        change(5, State.PENDING, State.FIRING),
        change(7, State.FIRING, State.RECOVERING),
        change(8, State.RECOVERING, State.FIRING),
        change(9, State.FIRING, State.RESOLVED),
        change(20, State.RESOLVED, State.FIRING),
    ]
    assert [(f.started_at, f.ended_at) for f in actual(changes)] == [(5, 9), (20, None)]


def test_a_month_by_the_minute_is_judged_by_the_shipped_packs(tmp_path: Path, store: Store) -> None:
    """How long that takes for ten models is measured by `make bench`."""
    month.write(store, 1, START, 43_200)
    packs = [Path("rules") / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
    rules = load(packs, METRICS)
    result = backtest(store, rules, START, START + 43_200 * 60, base_seconds=60)
    assert result.moments == 43_200
    assert {f.rule for f in result.firings} >= {"HighErrorRate", "FeatureShifted"}
