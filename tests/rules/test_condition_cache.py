"""With a cache of the looks before, rules find what they would find without one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.measurement_table import ConcatenatedTables, MeasurementTable, table_of
from monitor.metrics import METRICS
from monitor.records import Measurement, Stream, Window, labels
from monitor.rules import load
from monitor.rules.engine.condition_cache import ConditionCache
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.engine.threshold import PROPORTIONS
from monitor.rules.rule import Rule
from tests.support.judging import START, STREAM, one_rule

WINDOW = Window(int(START) - 15, int(START))


def block(value: float):
    return table_of(STREAM, WINDOW, [Measurement(STREAM, WINDOW, "error_rate", value, "share", n=1000)])


def readings(*parts) -> Readings:
    return Readings({(STREAM, OPEN): ConcatenatedTables(parts)})


def test_the_same_figures_are_judged_once_and_new_ones_anew(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}").for_stream(STREAM)
    cache, good, bad = ConditionCache(), block(0.01), block(0.3)

    def ask(*parts):
        return cache.results(rule, STREAM, readings(*parts), START)

    first = ask(good)
    assert ask(good) is first
    assert first[()].fires is False
    assert ask(bad)[()].fires is True
    assert ask()[()].fires is None


def test_what_the_clock_says_beside_a_window_judges_nothing_anew(tmp_path: Path) -> None:
    (rule,) = one_rule(
        tmp_path, "{any: [{metric: error_rate, over: open, above: 5%}, {metric: psi, over: open, above: 1}]}"
    ).for_stream(STREAM)
    cache, part = ConditionCache(), block(0.01)
    other = Measurement(STREAM, WINDOW, "error_rate", 0.02, "share", n=9, labels=labels(output="b"))

    def ask(*parts):
        return cache.results(rule, STREAM, readings(*parts), START)

    def silence(seconds: float) -> list[Measurement]:
        return [Measurement(STREAM, WINDOW, "silence", seconds, "seconds")]

    first = ask(part, silence(1.0))
    assert ask(part, silence(2.0)) is first, "also what is not there at all, as psi, is the same"
    both = ask(part, [other])
    assert both is not first
    assert ask(part, [other]) is both, "the figures of two tables, put together at each look"
    assert ask(part, [replace(other, value=0.9)]) is not both


def test_what_looks_back_is_judged_anew_once_the_past_is_another(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 2x last week}").for_stream(STREAM)
    cache, current = ConditionCache(), block(0.3)
    measured, means = {(STREAM, OPEN): ConcatenatedTables([current])}, [0.2]
    source = Readings(measured, lambda *_: means[0])

    def ask():
        return cache.results(rule, STREAM, source, START)

    first = ask()
    assert first[()].fires is False
    assert ask() is first, "all that it read is the same"
    means[0] = 0.1
    assert ask()[()].fires is True


def test_a_changed_rule_of_the_same_name_is_judged_anew(tmp_path: Path) -> None:
    cache, current = ConditionCache(), block(0.3)
    for limit, fires in (("50%", 0), ("5%", 1)):
        rules = one_rule(tmp_path, f"{{metric: error_rate, over: open, above: {limit}}}")
        judged = evaluate(rules, readings(current), {}, START, cache=cache)
        assert len(judged.transitions) == fires


PACKS = [Path("rules") / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]


@cache
def shipped() -> list[Rule]:
    return list(load(PACKS, METRICS).for_stream(STREAM))


@given(seed=st.integers(0, 2**32 - 1))
def test_law_a_rule_fires_whether_or_not_its_results_are_explained(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, fired = rng.choice([None, 0.0, 0.1, 9.0]), 0
    for rule in shipped():
        asked = {
            (seconds, metric) for seconds in rule.condition.lengths() for metric in rule.condition.metrics()
        }
        source = Readings(
            {
                (STREAM, seconds): ConcatenatedTables([_random(rule, asked, seconds, rng)])
                for seconds, _ in asked
            },
            lambda *_: mean,
        )
        full = ConditionCache().results(rule, STREAM, source, START)
        expected = full if any(result.fires for result in full.values()) else {}
        assert ConditionCache().results(rule, STREAM, source, START, if_firing=True) == expected, rule.name
        fired += bool(expected)
    assert fired, "some rule fires"


def test_of_parts_that_must_all_fire_no_more_are_read_than_the_first_that_does_not(tmp_path: Path) -> None:
    parts = "[{metric: error_rate, over: open, above: 5%}, {metric: psi, over: open, above: 1}]"
    (rule,) = one_rule(tmp_path, f"{{all: {parts}}}").for_stream(STREAM)
    asked: list[str] = []

    class Asked(Readings):
        def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
            asked.append(metric)
            return Readings.find(self, stream, seconds, metric)

    for share, read in ((0.01, ["error_rate"]), (0.3, ["error_rate", "psi"])):
        asked.clear()
        source = Asked({(STREAM, OPEN): block(share)})
        assert ConditionCache().results(rule, STREAM, source, START, if_firing=True) == {}
        assert asked == read


def _random(
    rule: Rule, asked: set[tuple[int, str]], seconds: int, rng: np.random.Generator
) -> MeasurementTable:
    """Figures of the metrics that a rule reads over a length: some are missing, not numbers, unsure or without rows."""
    made = []
    for metric in sorted(metric for length, metric in asked if length == seconds):
        for instance in ("a", "b", "c")[: rng.integers(1, 4)] if rule.by else ("",):
            where = labels(**dict.fromkeys(rule.by, instance))
            shares = [None, float("inf"), 0.0, 0.02, 0.5, 1.0]
            value = rng.choice(shares if metric in PROPORTIONS else [*shares, 40.0, 1e6])
            n = float(rng.choice([0.0, 10.0, 1e4]))
            interval = (None, None) if value is None else (value * 0.9, value * 1.1)
            baseline = rng.choice([None, 0.0, 0.4])
            made.append(
                Measurement(
                    STREAM,
                    WINDOW,
                    metric,
                    value,
                    "share",
                    n=n,
                    labels=where,
                    low=interval[0],
                    high=interval[1],
                    baseline=baseline,
                )
            )
    return table_of(STREAM, WINDOW, made)


def test_a_stream_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}").for_stream(STREAM)
    cache, source = ConditionCache(), readings(block(0.01))
    first = cache.results(rule, STREAM, source, START)
    cache.keep({STREAM})
    assert cache.results(rule, STREAM, source, START) is first
    cache.keep(set())
    assert cache.results(rule, STREAM, source, START) is not first
