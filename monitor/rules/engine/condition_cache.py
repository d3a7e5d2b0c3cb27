"""A cache of what rules found. A condition depends on measurements only, so as long as it would read the same ones, and
the same means of the past, its last results are reused. A tick evaluates only the rules that have new measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import is_

from monitor.records import Labels, Measurement, Stream
from monitor.rules.engine.condition import ConditionResults, EvaluationContext
from monitor.rules.engine.readings import Past, Readings
from monitor.rules.rule import Rule

_Asked = tuple[Stream, str, Labels, int, float, float]
"""What a past is asked; see `Past`."""
_Read = tuple[tuple[int, str], ...]
"""Lengths of windows and metrics."""


@dataclass(slots=True)
class _RecordingSource:
    """A source that records which measurements are read from it, and the answers of its past."""

    source: Readings
    read: dict[tuple[int, str], Sequence[object]] = field(default_factory=dict)
    answers: dict[_Asked, float | None] = field(default_factory=dict)

    @property
    def past(self) -> Past:
        """The past, recorded."""

        def ask(*asked: *_Asked) -> float | None:
            if asked not in self.answers:
                self.answers[asked] = self.source.past(*asked)
            return self.answers[asked]

        return ask

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """The measurements of the source, recorded."""
        self.read[seconds, metric] = self.source.holders(stream, seconds, metric)
        return self.source.find(stream, seconds, metric)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was found of a rule: `results`, or None if it did not fire. `holders` are those of what it `read`."""

    rule: Rule
    read: _Read
    holders: tuple[tuple[object, ...], ...]
    answers: Sequence[tuple[_Asked, float | None]]
    results: ConditionResults | None


class ConditionCache:
    """What was last found of each rule for each stream, and what it was found from."""

    def __init__(self) -> None:
        self._entries: dict[Stream, dict[str, _Entry]] = {}
        self._reads: dict[_Read, _Read] = {}

    def results(
        self, rule: Rule, stream: Stream, readings: Readings, now: float, *, if_firing: bool = False
    ) -> ConditionResults:
        """The results of a rule: cached if it would read the same measurements again, otherwise evaluated. With
        `if_firing`, those of a rule that fires for no instance are left out, which costs less.
        """
        entries = self._entries.setdefault(stream, {})
        entry = entries.get(rule.name)
        is_known = entry is not None and entry.rule is rule and (if_firing or entry.results is not None)
        if entry is None or not is_known or not _is_unchanged(entry, stream, readings):
            entry = entries[rule.name] = self._evaluated(rule, stream, readings, now, if_firing=if_firing)
        return entry.results or {}

    def keep(self, streams: set[Stream]) -> None:
        """Forget all other streams."""
        for stream in self._entries.keys() - streams:
            del self._entries[stream]

    def _evaluated(
        self, rule: Rule, stream: Stream, readings: Readings, now: float, *, if_firing: bool
    ) -> _Entry:
        recording = _RecordingSource(readings)
        context = EvaluationContext(stream, recording, rule.by, now)
        results: ConditionResults | None = None
        if not if_firing or _fires(rule, replace(context, explained=False)):
            results = rule.condition.evaluate(context)
        read = tuple(recording.read)
        return _Entry(
            rule,
            self._reads.setdefault(read, read),
            tuple(map(tuple, recording.read.values())),
            tuple(recording.answers.items()),
            results,
        )


def _fires(rule: Rule, context: EvaluationContext) -> bool:
    return any(result.fires for result in rule.condition.evaluate(context).values())


def _is_unchanged(entry: _Entry, stream: Stream, readings: Readings) -> bool:
    """Whether the same measurements would be read again. The sequence that holds them may be another one: at each tick
    what the clock says is added to what was measured of a window.
    """
    for (seconds, metric), before in zip(entry.read, entry.holders, strict=True):
        now = readings.holders(stream, seconds, metric)
        if len(now) != len(before) or not all(map(is_, now, before)):
            return False
    return all(readings.past(*asked) == mean for asked, mean in entry.answers)
