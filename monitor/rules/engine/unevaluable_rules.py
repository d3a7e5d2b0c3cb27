"""Which rules cannot be judged of a stream, and what they need: so that no rule is blind without anybody knowing."""

from collections.abc import Sequence

from monitor.metrics import METRICS, families_of
from monitor.records import Measurement, Stream
from monitor.rules.engine.condition import EvaluationContext
from monitor.rules.engine.measurable import Unmeasurable
from monitor.rules.engine.readings import Readings
from monitor.rules.language.level import PAST
from monitor.rules.rule import RuleSet

_INFOS = {info.name: info for info in METRICS}
_OF_WINDOWS = frozenset(info.name for info in METRICS if families_of([info.name]))
_PAST = tuple(f"no {name} to compare with" for name in PAST)


def unjudged(
    rules: RuleSet,
    stream: Stream,
    base: Sequence[Measurement],
    hour: Sequence[Measurement],
    base_seconds: int,
    now: float,
) -> list[str]:
    """The rules that cannot be judged of a stream, with what they need, by the newest stored measurements.

    A rule whose metrics are no figures of the stream, such as lists of a model that sends none, is left out. What an
    hour does not have is none, if a base window has it from no rows; and what an hour has, a base window without rows
    does not lack.
    """
    if not base and not hour:
        return []
    longer, shorter = hour or base, _without_gaps(base, hour) or hour
    figures = {one.metric for one in longer} | {one.metric for one in base if one.n}
    readings = Readings(
        {(stream, length): shorter if length <= base_seconds else longer for length in rules.windows()}
    )
    names_by_reason: dict[str, list[str]] = {}
    never: dict[str, list[str]] = {}
    for rule in rules.for_stream(stream):
        metrics = rule.condition.metrics()
        if isinstance(rule.condition, Unmeasurable):
            if not metrics.isdisjoint(figures):
                never.setdefault(rule.condition.reason, []).append(rule.name)
        elif metrics <= _OF_WINDOWS and not metrics.isdisjoint(figures):
            results = rule.condition.evaluate(EvaluationContext(stream, readings, rule.by, now))
            reasons = [result.reason for result in results.values() if result.fires is None]
            is_blind = bool(reasons) and len(reasons) == len(results)
            if is_blind and not reasons[0].endswith(_PAST):
                names_by_reason.setdefault(_with_needs(reasons[0]), []).append(rule.name)
    return [
        *(f"{', '.join(names)} cannot be evaluated: {reason}" for reason, names in never.items()),
        *(
            f"{', '.join(names)} cannot be evaluated yet: {reason}"
            for reason, names in names_by_reason.items()
        ),
    ]


def _without_gaps(base: Sequence[Measurement], hour: Sequence[Measurement]) -> list[Measurement]:
    """The measurements of a base window; those that no row of it had a value for are the hour's, if it has them."""
    known = {(one.metric, one.labels): one for one in hour if one.value is not None}
    return [
        known.get((one.metric, one.labels), one) if one.value is None and not one.n else one for one in base
    ]


def _with_needs(reason: str) -> str:
    """A reason, with what the rows of a baseline need where there is nothing to compare with."""
    if reason == "was not measured":  # by one of several conditions, which gives no name
        return f"a figure that it needs {reason}"
    metric = reason.partition(":")[0]
    if reason.endswith("no baseline to compare with") and metric in _INFOS:
        return f"{reason} (a baseline, whose rows need: {_INFOS[metric].needs})"
    return reason
