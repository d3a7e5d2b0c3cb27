"""Rules without the parts that nothing measures: those over windows that are shorter than the base windows.

Such a part is neither met nor not met. In an `any` it would keep an alert open for ever that another part opened, and
`absent` would always be met. So it is left out; a rule of which nothing is left is `Unmeasurable`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitor.config.units import format_duration
from monitor.metrics import METRICS, families_of
from monitor.records import Labels
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Any, Condition, ConditionResults, EvaluationContext, unknown
from monitor.rules.engine.readings import OPEN
from monitor.rules.engine.threshold import Absent, ShareLimit, Threshold
from monitor.rules.rule import Entry, Rule, RuleSet

_OF_WINDOWS = frozenset(info.name for info in METRICS if families_of([info.name]))
"""Metrics of the rows of a window. Others, such as silence, have the same figure in all windows."""


@dataclass(frozen=True, slots=True)
class Unmeasurable:
    """A condition that is never known: its windows, of `seconds`, are shorter than base windows of `base_seconds`."""

    read: frozenset[str]
    seconds: int
    base_seconds: int

    @property
    def reason(self) -> str:
        """Why."""
        short, base = format_duration(self.seconds), format_duration(self.base_seconds)
        return f"its windows of {short} are shorter than the base windows of {base} (predictions.base_window)"

    def evaluate(self, _context: EvaluationContext) -> ConditionResults:
        """Unknown, for whatever instance there is."""
        return {(): unknown("", self.reason)}

    def lengths(self) -> set[int]:
        """None: there is nothing to measure."""
        return set()

    def metrics(self) -> set[str]:
        """Those that it would read."""
        return set(self.read)

    def excludes(self, _instance: Labels, /) -> bool:
        """Never."""
        return False


def measurable(rules: RuleSet, base_seconds: int) -> RuleSet:
    """The rules as a daemon with such base windows can judge them."""
    entries = tuple(
        Entry(
            _rule(entry.rule, base_seconds),
            tuple(
                replace(override, rule=None if override.rule is None else _rule(override.rule, base_seconds))
                for override in entry.overrides
            ),
        )
        for entry in rules.entries
    )
    return RuleSet(entries, rules.files)


def unmeasured_lengths(condition: Condition, base_seconds: int) -> set[int]:
    """The windows of a condition, in seconds, that are not measured as written: shorter than a base window, or no
    multiple of it.
    """
    parts = [one for one in _thresholds(condition) if one.metric in _OF_WINDOWS]
    return {part.seconds for part in parts if part.seconds != OPEN and part.seconds % base_seconds}


def _rule(rule: Rule, base_seconds: int) -> Rule:
    condition = _measurable(rule.condition, base_seconds)
    if condition is None:
        short = min(rule.condition.lengths() - {OPEN})
        condition = Unmeasurable(frozenset(rule.condition.metrics()), short, base_seconds)
    return rule if condition == rule.condition else replace(rule, condition=condition)


def _measurable(condition: Condition, base_seconds: int) -> Condition | None:
    """The condition without what is not measured; None if it then cannot be known."""
    match condition:
        case All(parts):
            kept = [_measurable(part, base_seconds) for part in parts]
            known = tuple(part for part in kept if part is not None)
            return All(known) if len(known) == len(parts) else None
        case Any(parts):
            kept = [_measurable(part, base_seconds) for part in parts]
            known = tuple(part for part in kept if part is not None)
            return Any(known) if known else None
        case Burn():
            pairs = tuple(pair for pair in condition.pairs if min(pair[1:]) >= base_seconds)
            return replace(condition, pairs=pairs) if pairs else None
        case ShareLimit():
            return None if _measurable(condition.part, base_seconds) is None else condition
        case Threshold() | Absent():
            is_short = OPEN < condition.seconds < base_seconds and condition.metric in _OF_WINDOWS
            return None if is_short else condition
    return condition


def _thresholds(condition: Condition) -> Iterable[Threshold | Absent]:
    match condition:
        case All(parts) | Any(parts):
            for part in parts:
                yield from _thresholds(part)
        case Burn():
            for pair in condition.pairs:
                yield from condition.thresholds(*pair)
        case ShareLimit():
            yield condition.part
        case Threshold() | Absent():
            yield condition
