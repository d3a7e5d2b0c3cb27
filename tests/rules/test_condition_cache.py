"""With a cache of the looks before, rules find what they would find without one."""

from pathlib import Path

from monitor.measurement_table import ConcatenatedTables, table_of
from monitor.records import Measurement, Window
from monitor.rules.engine.condition import EvaluationContext
from monitor.rules.engine.condition_cache import ConditionCache
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
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
        return cache.results(rule, EvaluationContext(STREAM, readings(*parts), rule.by, START))

    first = ask(good)
    assert ask(good) is first
    assert first[()].fires is False
    assert ask(bad)[()].fires is True
    assert ask()[()].fires is None


def test_what_looks_back_is_judged_each_time(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 2x last week}").for_stream(STREAM)
    cache, current = ConditionCache(), block(0.3)
    past = iter([0.2, 0.1])
    measured = {(STREAM, OPEN): ConcatenatedTables([current])}
    source = Readings(measured, lambda *_: next(past))
    answers = [
        cache.results(rule, EvaluationContext(STREAM, source, rule.by, START))[()].fires for _ in range(2)
    ]
    assert answers == [False, True]


def test_a_changed_rule_of_the_same_name_is_judged_anew(tmp_path: Path) -> None:
    cache, current = ConditionCache(), block(0.3)
    for limit, fires in (("50%", 0), ("5%", 1)):
        rules = one_rule(tmp_path, f"{{metric: error_rate, over: open, above: {limit}}}")
        judged = evaluate(rules, readings(current), {}, START, cache=cache)
        assert len(judged.transitions) == fires
