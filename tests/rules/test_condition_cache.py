"""With a cache of the looks before, rules find what they would find without one."""

from dataclasses import replace
from pathlib import Path

from monitor.measurement_table import ConcatenatedTables, table_of
from monitor.records import Measurement, Window, labels
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


def test_what_the_clock_says_beside_a_window_judges_nothing_anew(tmp_path: Path) -> None:
    (rule,) = one_rule(
        tmp_path, "{any: [{metric: error_rate, over: open, above: 5%}, {metric: psi, over: open, above: 1}]}"
    ).for_stream(STREAM)
    cache, part = ConditionCache(), block(0.01)
    other = Measurement(STREAM, WINDOW, "error_rate", 0.02, "share", n=9, labels=labels(output="b"))

    def ask(*parts):
        return cache.results(rule, EvaluationContext(STREAM, readings(*parts), rule.by, START))

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
        return cache.results(rule, EvaluationContext(STREAM, source, rule.by, START))

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
