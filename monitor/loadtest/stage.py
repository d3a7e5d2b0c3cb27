"""What a stage at one rate has shown, and whether it holds what is agreed. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.loadtest.arrivals import Floats
from monitor.loadtest.generator import CUT, StageCalls, failure_counts
from monitor.loadtest.objectives import Objective, ObjectiveKind
from monitor.metrics.tail_probabilities import binomial

_CERTAIN = 0.01
"""With fewer calls than an objective needs, it is missed only if chance explains it with less than this probability."""
_GROWTH = 0.03
"""A backlog that grows by more than this share of the calls, and by more than chance, is not keeping up."""
_PAUSE = 1.0
"""Seconds of calls that may gather without meaning anything: a pause of the machine is not a growing backlog."""


class ObjectiveState(StrEnum):
    """Whether the objectives were held."""

    HELD = "held"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What was measured beside the calls. `server_cores` is the processor time of the daemon per second, `lag` the
    longest time in seconds from accepting a record until it was counted; None if not measured.
    """

    server_cores: float | None = None
    lag: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An objective: its value in seconds or as a share (infinite where too many calls failed), or why there is none."""

    objective: Objective
    value: float | None
    state: ObjectiveState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage. `calls` are those that ended, of the `due` ones. Latencies in seconds, from the moment when a call was
    due; `on_the_wire` from when it was sent. `own_delay` is how late the generator came to 99 % of its calls, at most.
    `answered` are successes a second. `stopped` says why it ended early.
    """

    rate: float
    seconds: float
    due: int
    calls: int
    answered: float
    latency: dict[float, float]
    on_the_wire: dict[float, float]
    failures: dict[str, int]
    own_delay: float
    own_cores: float
    connections: int
    backlog_grows: bool
    around: StageLoad
    judged: tuple[Judged, ...]
    state: ObjectiveState
    retry_after: float = 0.0
    stopped: str = ""

    @property
    def missed(self) -> list[Judged]:
        """The objectives that were missed."""
        return [one for one in self.judged if one.state is ObjectiveState.MISSED]


def result(rate: float, calls: StageCalls, objectives: Sequence[Objective], around: StageLoad) -> StageResult:
    """Judge a stage."""
    cut = calls.failure == (calls.failures.index(CUT) if CUT in calls.failures else -1)
    over = ~cut
    failed = over & (calls.failure != 0)
    latency = np.where(failed, np.inf, calls.ended - calls.due)[over]
    wire = np.where(failed, np.inf, calls.ended - calls.sent)[over]
    wire = np.where(np.isnan(wire), np.inf, wire)
    percents = sorted(
        {50.0, 95.0, 99.0, 100.0, *(o.percent for o in objectives if o.kind is ObjectiveKind.LATENCY)}
    )
    judged = tuple(_judged(objective, latency, int(failed.sum()), around) for objective in objectives)
    grows = _grows(calls) if not calls.stopped else False
    noticed = (calls.noticed - calls.due)[~np.isnan(calls.noticed)]
    span = max(float(calls.due[-1]), 1 / rate) if not calls.stopped else calls.seconds
    return StageResult(
        rate=rate,
        seconds=span,
        due=len(calls.due),
        calls=int(over.sum()),
        answered=float((over & ~failed).sum()) / max(span, calls.seconds, 1e-9),
        latency={percent: percentile(latency, percent) for percent in percents},
        on_the_wire={percent: percentile(wire, percent) for percent in percents},
        failures={text: n for text, n in failure_counts(calls).most_common() if text != CUT},
        own_delay=percentile(noticed, 99.0),
        own_cores=calls.cpu_seconds / max(calls.seconds, 1e-9),
        connections=calls.connections,
        backlog_grows=grows,
        around=around,
        judged=judged,
        state=_state(judged, calls, grows=grows),
        retry_after=calls.retry_after,
        stopped=calls.stopped,
    )


def percentile(values: Floats, percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; NaN if there are none."""
    if not len(values):
        return math.nan
    rank = max(1, math.ceil(percent / 100 * len(values) - 1e-9))
    return float(np.partition(values, rank - 1)[rank - 1])


def _state(judged: Sequence[Judged], calls: StageCalls, *, grows: bool) -> ObjectiveState:
    states = {one.state for one in judged}
    if ObjectiveState.MISSED in states or grows:
        return ObjectiveState.MISSED
    if calls.stopped:
        return ObjectiveState.UNKNOWN
    return ObjectiveState.UNKNOWN if ObjectiveState.UNKNOWN in states else ObjectiveState.HELD


def _judged(one: Objective, latency: Floats, failed: int, around: StageLoad) -> Judged:
    if one.kind is ObjectiveKind.LAG:
        if around.lag is None:
            return Judged(one, None, ObjectiveState.UNKNOWN, "the lag was not measured")
        return Judged(
            one, around.lag, ObjectiveState.HELD if around.lag < one.limit else ObjectiveState.MISSED
        )
    count = len(latency)
    if not count:
        return Judged(one, None, ObjectiveState.UNKNOWN, "no call has ended")
    if one.kind is ObjectiveKind.ERRORS:
        value, beyond, allowed = failed / count, failed, one.limit
        holds = value < one.limit
    else:
        value, beyond = percentile(latency, one.percent), int((latency >= one.limit).sum())
        allowed = (100 - one.percent) / 100
        holds = value < one.limit
    if count >= one.least_calls:
        return Judged(one, value, ObjectiveState.HELD if holds else ObjectiveState.MISSED)
    if not holds and binomial(beyond, count, allowed) < _CERTAIN:
        return Judged(one, value, ObjectiveState.MISSED)
    return Judged(
        one, value, ObjectiveState.UNKNOWN, f"{one.least_calls:,} calls are needed, and {count:,} ended"
    )


def _grows(calls: StageCalls) -> bool:
    """Whether the calls under way became more from the middle to the end of the stage. Calls that the generator had
    not noticed by then are its own delay, and a stage of two seconds or less is too short to tell.
    """
    half, end = float(calls.due[-1]) / 2, float(calls.due[-1])
    later = int((calls.due > half).sum())
    growth = _under_way(calls, end) - _under_way(calls, half)
    per_second = later / max(end - half, 1e-9)
    return growth > max(_GROWTH * later, 3 * math.sqrt(later), 10, _PAUSE * per_second)


def _under_way(calls: StageCalls, at: float) -> int:
    return int((calls.noticed <= at).sum()) - int((calls.ended <= at).sum())
