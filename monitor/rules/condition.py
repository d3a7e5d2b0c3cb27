"""What a condition is, and how several make one.

A condition answers for each instance (a feature, a segment, or nothing at all) with a `Finding`: whether it
fires, whether it still holds once it fired (the clear level lies lower), and the numbers that say why. What
could not be judged is None, never False: absence of data is not health.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from monitor.records import Labels, Measurement, Stream, Window
from monitor.rules.readings import Past


@dataclass(frozen=True, slots=True)
class Finding:
    """What a condition found for one instance."""

    fires: bool | None
    holds: bool | None
    reason: str
    metric: str = ""
    value: float | None = None
    limit: float | None = None
    baseline: float | None = None
    unit: str = ""
    n: float = 0
    low: float | None = None
    high: float | None = None
    window: Window | None = None
    is_error: bool = False


Findings = dict[Labels, Finding]


class Source(Protocol):
    """Where a condition finds what was measured: this tick's readings, or a moment of the past."""

    @property
    def past(self) -> Past:
        """What was measured at the same hour of an earlier day."""
        ...

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """All measurements of one metric over windows of that length."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One stream at one moment, and the labels that make instances."""

    stream: Stream
    readings: Source
    by: tuple[str, ...]
    now: float


class Condition(Protocol):
    """Anything that a rule can ask."""

    def judge(self, question: Question) -> Findings:
        """A finding for each instance."""
        ...

    def lengths(self) -> set[int]:
        """The window lengths that must be measured, in seconds."""
        ...

    def metrics(self) -> set[str]:
        """The metrics it reads."""
        ...


@dataclass(frozen=True, slots=True)
class All:
    """Fires where every part fires."""

    parts: tuple[Condition, ...]

    def judge(self, question: Question) -> Findings:
        """The parts' findings, joined instance by instance."""
        return _combine((part.judge(question) for part in self.parts), _every)

    def lengths(self) -> set[int]:
        """Those of its parts."""
        return {length for part in self.parts for length in part.lengths()}

    def metrics(self) -> set[str]:
        """Those of its parts."""
        return {metric for part in self.parts for metric in part.metrics()}


@dataclass(frozen=True, slots=True)
class Any:
    """Fires where at least one part fires."""

    parts: tuple[Condition, ...]

    def judge(self, question: Question) -> Findings:
        """The parts' findings, joined instance by instance."""
        return _combine((part.judge(question) for part in self.parts), _some)

    def lengths(self) -> set[int]:
        """Those of its parts."""
        return {length for part in self.parts for length in part.lengths()}

    def metrics(self) -> set[str]:
        """Those of its parts."""
        return {metric for part in self.parts for metric in part.metrics()}


def unknown(metric: str, reason: str, *, is_error: bool = False) -> Finding:
    """A finding that could not be made."""
    return Finding(None, None, reason, metric, is_error=is_error)


def _combine(parts: Iterable[Findings], join: Callable[[list[Finding]], Finding]) -> Findings:
    """A part that knows no instances speaks for all of them."""
    found = list(parts)
    instances = {instance for findings in found for instance in findings if instance} or {()}
    joined: Findings = {}
    for instance in instances:
        asked = [findings.get(instance) or findings.get(()) for findings in found]
        joined[instance] = join([finding or unknown("", "was not measured") for finding in asked])
    return joined


def _every(findings: list[Finding]) -> Finding:
    fires, holds = _all([f.fires for f in findings]), _all([f.holds for f in findings])
    lead = next((f for f in findings if f.fires is not True), findings[0])
    if fires is not True:
        return replace(lead, fires=fires, holds=holds)
    return replace(lead, fires=fires, holds=holds, reason="; ".join(f.reason for f in findings))


def _some(findings: list[Finding]) -> Finding:
    fires = _not(_all([_not(f.fires) for f in findings]))
    holds = _not(_all([_not(f.holds) for f in findings]))
    lead = min(findings, key=_rank)
    return replace(lead, fires=fires, holds=holds, is_error=fires is None and lead.is_error)


def _rank(finding: Finding) -> int:
    """Which finding speaks for all: one that fires, else one that keeps an alert open, else what is not known."""
    return [finding.fires is True, finding.holds is True, finding.fires is None, True].index(True)


def _all(answers: list[bool | None]) -> bool | None:
    """Three-valued `and`: one no is a no, else one unknown is unknown."""
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
