"""The interface of a condition, and conditions that combine others with `all` and `any`.

Evaluation gives a `ConditionResult` per instance (a feature, a segment, or the whole stream): whether it fires, whether
a firing alert continues (the clear level lies lower), and the figures behind it. Without data both are None, not False.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from monitor.records import Labels, Measurement, Stream, Window
from monitor.rules.engine.readings import Past


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """The result of a condition for one instance; `fires` and `holds` are None if it could not be evaluated."""

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


ConditionResults = dict[Labels, ConditionResult]


class MeasurementSource(Protocol):
    """Measurements for a condition: those of this tick, or of a moment of the past (backtest)."""

    @property
    def past(self) -> Past:
        """Measurements at the same hour of an earlier day."""
        ...

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """All measurements of one metric over windows of that length."""
        ...


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """One stream at one moment, and the labels by which instances are formed.

    Most rules do not fire, and nothing is kept of them: unless results are `explained`, they only need to say whether
    they fire.
    """

    stream: Stream
    readings: MeasurementSource
    by: tuple[str, ...]
    now: float
    explained: bool = True


class Condition(Protocol):
    """A condition of a rule."""

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """The result of each instance."""
        ...

    def lengths(self) -> set[int]:
        """The window lengths that must be measured, in seconds."""
        ...

    def metrics(self) -> set[str]:
        """The metrics it reads."""
        ...

    def excludes(self, instance: Labels, /) -> bool:
        """Whether it can never be met by this instance, because it is about other ones."""
        ...


@dataclass(frozen=True, slots=True)
class All:
    """Fires for instances for which every part fires."""

    parts: tuple[Condition, ...]

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """The parts' results, joined instance by instance."""
        if context.explained:
            return _combine(self.parts, [part.evaluate(context) for part in self.parts], _every)
        results: list[ConditionResults] = []
        for part in self.parts:
            results.append(part.evaluate(context))
            if not any(result.fires for result in results[-1].values()):
                return {}  # whatever the other parts would say
        return _combine(self.parts, results, _every_fires)

    def lengths(self) -> set[int]:
        """Those of all parts."""
        return {length for part in self.parts for length in part.lengths()}

    def metrics(self) -> set[str]:
        """Those of all parts."""
        return {metric for part in self.parts for metric in part.metrics()}

    def excludes(self, instance: Labels, /) -> bool:
        """Whether one of the parts does."""
        return any(part.excludes(instance) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Any:
    """Fires for instances for which at least one part fires."""

    parts: tuple[Condition, ...]

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """The parts' results, joined instance by instance."""
        join = _some if context.explained else _some_fires
        return _combine(self.parts, [part.evaluate(context) for part in self.parts], join)

    def lengths(self) -> set[int]:
        """Those of all parts."""
        return {length for part in self.parts for length in part.lengths()}

    def metrics(self) -> set[str]:
        """Those of all parts."""
        return {metric for part in self.parts for metric in part.metrics()}

    def excludes(self, instance: Labels, /) -> bool:
        """Whether all parts do."""
        return all(part.excludes(instance) for part in self.parts)


def unexplained(fires: bool | None) -> ConditionResult:
    """A result that only says whether it fires."""
    return _UNEXPLAINED[fires]


_UNEXPLAINED = {fires: ConditionResult(fires, None, "") for fires in (True, False, None)}
"""One for all: most rules do not fire, and such results are half of what rules make."""


_OF_OTHERS = ConditionResult(False, False, "is about others")


def unknown(metric: str, reason: str, *, is_error: bool = False) -> ConditionResult:
    """The result of a condition that could not be evaluated."""
    return ConditionResult(None, None, reason, metric, is_error=is_error)


def _combine(
    parts: Sequence[Condition],
    by_part: Sequence[ConditionResults],
    join: Callable[[list[ConditionResult]], ConditionResult],
) -> ConditionResults:
    """Join the results of parts by instance. A part without instances counts for all of them; one that is about others
    is not met.
    """
    instances = {instance for results in by_part for instance in results if instance} or {()}
    return {
        instance: join([_of(instance, part, results) for part, results in zip(parts, by_part, strict=True)])
        for instance in instances
    }


def _of(instance: Labels, part: Condition, results: ConditionResults) -> ConditionResult:
    if instance and instance not in results and part.excludes(instance):
        return _OF_OTHERS
    return results.get(instance) or results.get(()) or unknown("", "was not measured")


def _every(results: list[ConditionResult]) -> ConditionResult:
    """The figures are those of the first part, whichever part decides, because annotations are written for them."""
    fires, holds = _all([f.fires for f in results]), _all([f.holds for f in results])
    decisive = next((f for f in results if f.fires is not True), results[0])
    reason = decisive.reason if True not in (fires, holds) else "; ".join(f.reason for f in results)
    is_error = fires is not True and decisive.is_error
    return replace(_leading(results), fires=fires, holds=holds, reason=reason, is_error=is_error)


def _leading(results: list[ConditionResult]) -> ConditionResult:
    """The first result that has figures or lacks them only because it could not be evaluated."""
    return next((f for f in results if f.value is not None or f.fires is None), results[0])


def _some(results: list[ConditionResult]) -> ConditionResult:
    fires = _not(_all([_not(f.fires) for f in results]))
    holds = _not(_all([_not(f.holds) for f in results]))
    lead = min(results, key=_rank)
    return replace(lead, fires=fires, holds=holds, is_error=fires is None and lead.is_error)


def _every_fires(results: list[ConditionResult]) -> ConditionResult:
    return unexplained(_all([f.fires for f in results]))


def _some_fires(results: list[ConditionResult]) -> ConditionResult:
    return unexplained(_not(_all([_not(f.fires) for f in results])))


def _rank(result: ConditionResult) -> int:
    """Order for `any`: results that fire, results that keep an alert open, unknown results, others."""
    return [result.fires is True, result.holds is True, result.fires is None, True].index(True)


def _all(answers: list[bool | None]) -> bool | None:
    """Three-valued `and`: False if any is False, otherwise None if any is None."""
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
