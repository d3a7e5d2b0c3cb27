"""A cache of condition results. A condition depends on measurements only, so as long as it would read the same
measurement objects, and the same means of the past, its last results are reused. A tick evaluates only the rules that
have new measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import is_

from monitor.records import Labels, Measurement, Stream
from monitor.rules.engine.condition import ConditionResults, EvaluationContext, Source
from monitor.rules.engine.readings import Past
from monitor.rules.rule import Rule

_Asked = tuple[Stream, str, Labels, int, float, float]
"""What a past is asked; see `Past`."""


@dataclass(slots=True)
class _RecordingSource:
    """A source that records the measurements read from it, and the answers of its past."""

    source: Source
    read: list[tuple[int, str, Sequence[Measurement]]] = field(default_factory=list)
    answers: list[tuple[_Asked, float | None]] = field(default_factory=list)

    @property
    def past(self) -> Past:
        """The past, recorded."""

        def ask(*asked: *_Asked) -> float | None:
            mean = self.source.past(*asked)
            self.answers.append((asked, mean))
            return mean

        return ask

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """The measurements of the source, recorded."""
        measurements = self.source.find(stream, seconds, metric)
        self.read.append((seconds, metric, measurements))
        return measurements


@dataclass(frozen=True, slots=True)
class _Entry:
    rule: Rule
    read: Sequence[tuple[int, str, Sequence[Measurement]]]
    answers: Sequence[tuple[_Asked, float | None]]
    results: ConditionResults


class ConditionCache:
    """The last results of each rule for each stream, with the measurements they were computed from."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, Stream], _Entry] = {}

    def results(self, rule: Rule, context: EvaluationContext) -> ConditionResults:
        """The results of a rule: cached if it would read the same measurements again, otherwise evaluated."""
        key = (rule.name, context.stream)
        entry = self._entries.get(key)
        if entry is not None and entry.rule is rule and _is_unchanged(entry, context):
            return entry.results
        recording = _RecordingSource(context.readings)
        results = rule.condition.evaluate(
            EvaluationContext(context.stream, recording, context.by, context.now)
        )
        self._entries[key] = _Entry(rule, recording.read, recording.answers, results)
        return results


def _is_unchanged(entry: _Entry, context: EvaluationContext) -> bool:
    """Whether the same measurements would be read again. The sequence that holds them may be another one: at each tick
    what the clock says is added to what was measured of a window.
    """
    find, stream = context.readings.find, context.stream
    for seconds, metric, before in entry.read:
        now = find(stream, seconds, metric)
        if now is not before and not (len(now) == len(before) and all(map(is_, now, before))):
            return False
    past = context.readings.past if entry.answers else None
    return past is None or all(past(*asked) == mean for asked, mean in entry.answers)
