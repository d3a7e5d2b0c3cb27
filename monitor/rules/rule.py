"""A rule, and a set of rules with their overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.records import Labels, Severity, Stream
from monitor.rules.condition import Condition
from monitor.rules.matchers import Matcher, all_match


@dataclass(frozen=True, slots=True)
class Rule:
    """What to watch for, how long, and what to say.

    `wait` and `keep` are Prometheus's `for` and `keep_firing_for` in seconds. With `of` windows looked at,
    at least `needed` must be beyond the limit. `by` names the labels that make one alert each. When an open
    alert has had no data for `no_data_for` seconds, or, with `no_data_tier` set, any stream that once had
    them, a `NoData` alert of that tier opens.
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

    def annotation(self, name: str) -> str:
        """One annotation's template, or the empty string."""
        return next((value for key, value in self.annotations if key == name), "")


@dataclass(frozen=True, slots=True)
class Override:
    """A rule as it reads for the streams that match; None switches it off there."""

    matchers: tuple[Matcher, ...]
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule and what some clients or environments have instead; the last override that matches counts."""

    rule: Rule
    overrides: tuple[Override, ...] = ()

    def for_stream(self, labels: Mapping[str, str]) -> Rule | None:
        """The rule as it holds for a stream, or None where it does not apply."""
        rule: Rule | None = self.rule
        for override in self.overrides:
            if all_match(override.matchers, labels):
                rule = override.rule
        return rule if rule is not None and all_match(rule.matchers, labels) else None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule that is in force. Immutable; a reload makes another one."""

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
        """The rules that hold for a stream, with its overrides."""
        rules = self._applied.get(stream)
        if rules is None:
            labels = dict(stream.labels)
            found = (entry.for_stream(labels) for entry in self.entries)
            rules = self._applied[stream] = tuple(rule for rule in found if rule is not None)
        return rules

    def windows(self) -> set[int]:
        """The window lengths that must be measured, in seconds; `OPEN` (0) stands for the open window."""
        return {length for rule in self._every() for length in rule.condition.lengths()}

    def reads(self) -> dict[int, set[str]]:
        """Which metrics some rule reads over which window length, in seconds."""
        read: dict[int, set[str]] = {}
        for rule in self._every():
            for length in rule.condition.lengths():
                read.setdefault(length, set()).update(rule.condition.metrics())
        return read

    def metrics(self) -> set[str]:
        """The metrics that some rule reads."""
        return {metric for rule in self._every() for metric in rule.condition.metrics()}

    def _every(self) -> list[Rule]:
        others = [o.rule for entry in self.entries for o in entry.overrides if o.rule is not None]
        return [*self.rules, *others]
