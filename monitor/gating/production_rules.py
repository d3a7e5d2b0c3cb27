"""The rules of production, evaluated on the candidate's figures: what would page in production blocks here as well.

The profile of the candidate's predictions is measured against that of the baseline's, as the daemon measures a window
against its baseline, and counts as every window that a rule looks at. Waits (`for`) do not apply.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from monitor.gating.answers import WINDOW
from monitor.gating.records import RuleResult
from monitor.metrics import FAMILIES, Subject, measure
from monitor.metrics.drift import presence
from monitor.metrics.quality import label_delay
from monitor.metrics.system import volume
from monitor.records import Labels, Measurement, Severity
from monitor.rules.engine.condition import ConditionResult, EvaluationContext
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import Rule, RuleSet

_NOT_OF_A_FILE = (volume.measure, presence.measure, label_delay.measure)
"""What says something on traffic, and nothing on an evaluation set."""
_SPAN = re.compile(r" over the last \d+[a-z]+")
"""The length of a window in a reason: an evaluation set has none."""
_BLOCKING = (Severity.CRITICAL, Severity.WARNING)


def evaluate(
    rules: RuleSet,
    candidate: Subject,
    baseline: Subject,
    shortfalls: tuple[Sequence[Measurement], Sequence[Measurement]] = ((), ()),
) -> tuple[RuleResult, ...]:
    """The critical and warning rules that fire on the candidate's figures, worst first.

    `shortfalls` are how far candidate and baseline miss agreed targets.
    """
    chosen = [rule for rule in rules.for_stream(candidate.stream) if rule.severity in _BLOCKING]
    lengths = {length for rule in chosen for length in rule.condition.lengths()}
    mine, theirs = (
        _readings(subject, lengths, extra)
        for subject, extra in zip((candidate, baseline), shortfalls, strict=True)
    )
    results = [result for rule in chosen for result in _of_rule(rule, mine, theirs, candidate)]
    return tuple(sorted(results, key=lambda one: (not one.blocks, one.severity, one.rule, one.instance)))


def _readings(subject: Subject, lengths: set[int], extra: Sequence[Measurement]) -> Readings:
    families = [family for family in FAMILIES if family not in _NOT_OF_A_FILE]
    measured = [*measure(subject, families), *extra]
    return Readings({(subject.stream, length): measured for length in {OPEN, *lengths}})


def _of_rule(rule: Rule, mine: Readings, theirs: Readings, subject: Subject) -> Iterator[RuleResult]:
    at = float(WINDOW.end)
    now = rule.condition.evaluate(EvaluationContext(subject.stream, mine, rule.by, at))
    before = rule.condition.evaluate(EvaluationContext(subject.stream, theirs, rule.by, at))
    for instance, result in now.items():
        if result.fires is True:
            blocks = not _is_old(result, before.get(instance), mine, subject)
            reason = _SPAN.sub("", result.reason)
            firing = RuleResult(rule.name, rule.severity.value, _written(instance), reason, blocks)
            yield firing if blocks else replace(firing, reason=f"{reason}; as for the baseline")


def _is_old(
    result: ConditionResult, before: ConditionResult | None, readings: Readings, subject: Subject
) -> bool:
    """Whether the rule fires for the baseline as well, whose figure is no better."""
    if before is None or before.fires is not True or result.value is None or before.value is None:
        return False
    measured = readings.find(subject.stream, OPEN, result.metric)
    better = measured[0].better if measured else "lower"
    return result.value >= before.value if better == "higher" else result.value <= before.value


def _written(instance: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in instance)
