"""A rule, and a set of rules with their overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from monitor.records import Labels, Severity, Stream
from monitor.rules.engine.condition import Condition
from monitor.rules.language.matchers import Matcher, all_match

RuleAction = Literal["none", "rollback", "freeze"]
"""What an alert does to a new version at fault: nothing, roll it back, or freeze its rollout."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition, its waits, and the texts of its alerts.

    `wait` and `keep` are Prometheus's `for` and `keep_firing_for` in seconds. At least `needed` of the last `of`
    windows must be beyond the limit. `by` are the labels that make separate alerts. If an open alert has had no data
    for `no_data_for` seconds (with `no_data_tier` set: any stream that once had data), a `NoData` alert of that tier
    opens. `action` is what an alert of it does to a new version at fault, where the model's configuration allows it.
    """

    name: str
    severity: Severity
    condition: Condition
    wait: float = 0.0
    keep: float = 0.0
    needed: int = 1
    of: int = 1
    by: tuple[str, ...] = ()
    matchers: tuple[Matcher, ...] = ()
    no_data_for: float = 300.0
    no_data_tier: Severity | None = None
    labels: Labels = ()
    annotations: Labels = ()
    source: str = ""
    action: RuleAction = "none"

    def annotation(self, name: str) -> str:
        """The template of one annotation, or the empty string."""
        return next((value for key, value in self.annotations if key == name), "")


@dataclass(frozen=True, slots=True)
class Override:
    """A replacement of a rule for the matching streams; None switches it off there."""

    matchers: tuple[Matcher, ...]
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule and its overrides for some clients or environments. The last matching override is used."""

    rule: Rule
    overrides: tuple[Override, ...] = ()

    def for_stream(self, labels: Mapping[str, str]) -> Rule | None:
        """The rule for a stream, or None if it does not apply."""
        rule: Rule | None = self.rule
        for override in self.overrides:
            if all_match(override.matchers, labels):
                rule = override.rule
        return rule if rule is not None and all_match(rule.matchers, labels) else None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force. Immutable; a reload creates a new set."""

    entries: tuple[Entry, ...] = ()
    files: tuple[str, ...] = ()
    _applied: dict[Stream, tuple[Rule, ...]] = field(default_factory=dict, compare=False)

    @property
    def rules(self) -> list[Rule]:
        """The rules as written, without overrides."""
        return [entry.rule for entry in self.entries]

    def rule(self, name: str) -> Rule | None:
        """The rule of that name."""
        return next((entry.rule for entry in self.entries if entry.rule.name == name), None)

    def for_stream(self, stream: Stream) -> Sequence[Rule]:
        """The rules for a stream, with its overrides."""
        rules = self._applied.get(stream)
        if rules is None:
            labels = dict(stream.labels)
            applied = (entry.for_stream(labels) for entry in self.entries)
            rules = self._applied[stream] = tuple(rule for rule in applied if rule is not None)
        return rules

    def windows(self) -> set[int]:
        """The window lengths that must be measured, in seconds; `OPEN` (0) is the open window."""
        return {length for rule in self.every() for length in rule.condition.lengths()}

    def reads(self) -> dict[int, set[str]]:
        """The metrics that rules read, by window length in seconds."""
        read: dict[int, set[str]] = {}
        for rule in self.every():
            for length in rule.condition.lengths():
                read.setdefault(length, set()).update(rule.condition.metrics())
        return read

    def metrics(self) -> set[str]:
        """The metrics that rules read."""
        return {metric for rule in self.every() for metric in rule.condition.metrics()}

    def every(self) -> list[Rule]:
        """The rules as written, and those of overrides."""
        others = [o.rule for entry in self.entries for o in entry.overrides if o.rule is not None]
        return [*self.rules, *others]
