"""With a memory of the looks before, rules find what they would find without one."""

from pathlib import Path

from monitor.block import Gathered, block_of
from monitor.records import Measurement, Window
from monitor.rules.condition import Question
from monitor.rules.evaluate import judge
from monitor.rules.memory import Memory
from monitor.rules.readings import OPEN, Readings
from tests.support.judging import START, STREAM, one_rule

WINDOW = Window(int(START) - 15, int(START))


def block(value: float):
    return block_of(STREAM, WINDOW, [Measurement(STREAM, WINDOW, "error_rate", value, "share", n=1000)])


def readings(*parts) -> Readings:
    return Readings({(STREAM, OPEN): Gathered(parts)})


def test_the_same_figures_are_judged_once_and_new_ones_anew(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}").for_stream(STREAM)
    memory, good, bad = Memory(), block(0.01), block(0.3)

    def ask(*parts):
        return memory.findings(rule, Question(STREAM, readings(*parts), rule.by, START))

    first = ask(good)
    assert ask(good) is first
    assert first[()].fires is False
    assert ask(bad)[()].fires is True
    assert ask()[()].fires is None


def test_what_looks_back_is_judged_each_time(tmp_path: Path) -> None:
    (rule,) = one_rule(tmp_path, "{metric: error_rate, over: open, above: 2x last week}").for_stream(STREAM)
    memory, current = Memory(), block(0.3)
    past = iter([0.2, 0.1])
    measured = {(STREAM, OPEN): Gathered([current])}
    source = Readings(measured, lambda *_: next(past))
    answers = [memory.findings(rule, Question(STREAM, source, rule.by, START))[()].fires for _ in range(2)]
    assert answers == [False, True]


def test_a_changed_rule_of_the_same_name_is_judged_anew(tmp_path: Path) -> None:
    memory, current = Memory(), block(0.3)
    for limit, fires in (("50%", 0), ("5%", 1)):
        rules = one_rule(tmp_path, f"{{metric: error_rate, over: open, above: {limit}}}")
        judged = judge(rules, readings(current), {}, START, memory=memory)
        assert len(judged.transitions) == fires
