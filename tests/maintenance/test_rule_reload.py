"""Rules are reloaded on request; a reload with errors keeps the previous rules."""

from monitor.errors import ConfigError, Problem
from monitor.maintenance.rule_reload import RuleReloader
from monitor.rules.rule import RuleSet


def test_rules_are_read_anew_only_when_asked() -> None:
    read: list[RuleSet] = []

    def reader() -> RuleSet:
        read.append(RuleSet())
        return read[-1]

    reloading = RuleReloader(reader)
    reloading.rules()
    assert len(read) == 1
    reloading.request()
    assert reloading.rules() is read[1]
    assert not reloading.failed


def test_new_rules_with_mistakes_leave_the_old_ones_in_force_and_say_so() -> None:
    good = RuleSet()
    answers: list[RuleSet | ConfigError] = [
        good,
        ConfigError([Problem("mine.yaml", 3, 1, "alert", "is required")]),
        good,
    ]

    def reader() -> RuleSet:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    reloading = RuleReloader(reader)
    reloading.request()
    assert reloading.rules() is good
    assert reloading.failed
    assert reloading.problems == ("mine.yaml:3:1: error: alert: is required",)
    reloading.request()
    reloading.rules()
    assert not reloading.failed
