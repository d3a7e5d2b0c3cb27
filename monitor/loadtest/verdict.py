"""One sentence on a load test: what it holds, with how much headroom, and what limits first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import format_number
from monitor.loadtest.limits import GENERATOR, Limit, first_limit, lowest_of, milliseconds, own_limit
from monitor.loadtest.objectives import Objective, ObjectiveKind
from monitor.loadtest.search import Tried, held, missed
from monitor.loadtest.stage import Judged, ObjectiveState, StageResult
from monitor.rollouts.verdict import Outcome

_ENDS = 0.01


@dataclass(frozen=True, slots=True)
class LoadTestPlan:
    """What is tested. `name` is the model, `server` what the peer is called, `wanted` and `highest` calls a second."""

    name: str
    server: str
    wanted: float
    highest: float
    objectives: tuple[Objective, ...]
    unit: str = "/s"


@dataclass(frozen=True, slots=True)
class LoadVerdict:
    """The outcome with its sentence. `holds` is the highest rate that was held, `misses` the lowest that was missed."""

    outcome: Outcome
    sentence: str
    holds: float | None
    misses: float | None
    limit: str


def tried(stages: Sequence[StageResult], cores: int) -> list[Tried]:
    """The stages for the search: one that the generator spoiled is unknown."""
    return [Tried(stage.rate, trusted(stage, cores)) for stage in stages]


def trusted(stage: StageResult, cores: int) -> ObjectiveState:
    """The state of a stage; unknown if the generator cannot vouch for it."""
    return (
        ObjectiveState.UNKNOWN
        if stage.state is ObjectiveState.MISSED and own_limit(stage, cores)
        else stage.state
    )


def verdict(
    plan: LoadTestPlan, stages: Sequence[StageResult], cores: int, *, interrupted: bool = False
) -> LoadVerdict:
    """Judge a load test by its stages."""
    points = tried(stages, cores)
    holds, misses = held(points), missed(points)
    limit = _limit(plan, stages, cores)
    outcome, words = _words(plan, stages, points, limit)
    sentence = f"{plan.name} {words}"
    if interrupted:
        sentence += " (interrupted)"
    return LoadVerdict(outcome, sentence, holds, misses, limit.text if limit else "")


def _limit(plan: LoadTestPlan, stages: Sequence[StageResult], cores: int) -> Limit | None:
    bad = [stage for stage in stages if stage.state is ObjectiveState.MISSED]
    if not bad:
        return None
    return first_limit(lowest_of(bad), lowest_of(stages), cores, plan.server)


def _words(
    plan: LoadTestPlan, stages: Sequence[StageResult], points: Sequence[Tried], limit: Limit | None
) -> tuple[Outcome, str]:
    holds, misses = held(points), missed(points)
    rate = _rate(plan, plan.wanted)
    if holds is not None and holds >= plan.wanted * (1 - _ENDS):
        headroom = f"{format_number(holds / plan.wanted, 2)}x"
        if misses is not None and limit is not None:
            return Outcome.PASS, f"holds {rate} with {headroom} headroom; first limit: {limit.text}"
        if limit is not None and limit.is_own:
            why = limit.text.removeprefix(f"{GENERATOR} ")
            return (
                Outcome.PASS,
                f"holds {rate} with at least {headroom} headroom; then {GENERATOR} was the limit {why}",
            )
        return Outcome.PASS, f"holds {rate} with at least {headroom} headroom; no limit was found up to there"
    if misses is not None and misses <= plan.wanted * (1 + _ENDS):
        stage = next(one for one in stages if one.rate == misses or one.state is ObjectiveState.MISSED)
        holding = f"it holds {_rate(plan, holds)}" if holds else "no tested rate is held"
        reason = (
            "; ".join(missed_words(one) for one in stage.missed) or "calls arrive faster than they complete"
        )
        more = f"; first limit: {limit.text}" if limit else ""
        return Outcome.FAIL, f"does not hold {rate}: {reason}; {holding}{more}"
    return Outcome.INCONCLUSIVE, f"inconclusive for {rate}: {_why_unknown(stages, limit)}"


def _why_unknown(stages: Sequence[StageResult], limit: Limit | None) -> str:
    if limit is not None and limit.is_own:
        return f"the limit was {limit.text}; use another machine to generate the load"
    if not stages:
        return "no stage was completed"
    last = stages[-1]
    if last.stopped:
        return f"the test was stopped at {format_number(last.rate)}/s: {last.stopped}"
    return (
        "; ".join(f"{one.objective.text}: {one.reason}" for one in last.judged if one.reason)
        or "nothing was measured"
    )


def missed_words(one: Judged) -> str:
    """`p95 is 812 ms, agreed below 250 ms`."""
    name, _, agreed = one.objective.text.partition("<")
    return f"{name} is {value_words(one)}, agreed below {agreed}"


def value_words(one: Judged) -> str:
    """The value of an objective in words."""
    if one.value is None:
        return "not measured"
    if one.objective.kind is ObjectiveKind.ERRORS:
        return f"{format_number(100 * one.value)}%"
    if one.value == float("inf"):
        return "never reached, because too many calls failed"
    return milliseconds(one.value)


def _rate(plan: LoadTestPlan, rate: float) -> str:
    return f"{format_number(rate, 4)}{plan.unit}"
