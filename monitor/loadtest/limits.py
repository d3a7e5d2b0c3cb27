"""What limited first, from the stage that missed the objectives and the one at the lowest rate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import format_number
from monitor.loadtest.generator import NOT_SENT
from monitor.loadtest.objectives import ObjectiveKind
from monitor.loadtest.stage import StageResult

_BUSY = 0.9
"""Cores of a process with one busy thread that count as all it has."""
_SLOWER = 2.0
"""Times that a call takes longer than at the lowest rate, from which the server is what limits."""
_OWN_SHARE = 0.25
"""The generator's own delay may be this part of a latency that is agreed."""
GENERATOR = "the load generator itself"


@dataclass(frozen=True, slots=True)
class Limit:
    """What limited, in words. With `is_own`, it was the generator: the stage tells nothing about the server."""

    text: str
    is_own: bool = False


def own_limit(stage: StageResult, cores: int) -> str:
    """Why the generator cannot vouch for a stage that missed its objectives; empty if it can.

    A stage that held them is right in any case: what the generator adds to a latency makes it longer.
    """
    if stage.own_cores >= _BUSY:
        return f"{stage.own_cores:.2f} cores, of one that it can use"
    together = stage.own_cores + (stage.around.server_cores or 0.0)
    if stage.own_cores > 0.3 and together > _BUSY * cores:
        return (
            f"all {cores} cores of this machine are busy, {stage.own_cores:.2f} of them with generating load"
        )
    limits = [one.objective.limit for one in stage.missed if one.objective.kind is ObjectiveKind.LATENCY]
    if limits and stage.own_delay > _OWN_SHARE * min(limits):
        return f"it sent 1 % of the calls more than {milliseconds(stage.own_delay)} late"
    return ""


def first_limit(missed: StageResult, lowest: StageResult, cores: int, server: str) -> Limit:
    """What limited a stage that missed its objectives. `server` is what the peer is called: `the daemon`."""
    if own := own_limit(missed, cores):
        return Limit(f"{GENERATOR} ({own})", is_own=True)
    failed = sum(missed.failures.values())
    if failed and failed >= _part_that_matters(missed) * missed.calls:
        return Limit(_failure(missed, server))
    if any(one.objective.kind is ObjectiveKind.LAG for one in missed.missed):
        return Limit(f"counting: records are counted {missed.around.lag or 0:.0f} s after they were accepted")
    usual, now = lowest.on_the_wire[50.0], missed.on_the_wire[50.0]
    grew = now / usual if usual > 0 and missed is not lowest else 1.0
    if _holds_on_the_wire(missed) and grew < _SLOWER:
        return Limit(f"connections: all {missed.connections} were in use while calls waited")
    busy = missed.around.server_cores
    if busy is not None and busy >= _BUSY:
        return Limit(f"the CPU of {server} ({busy:.2f} cores)")
    if busy is not None:
        return Limit(f"the writer: {server} uses {busy:.2f} cores, and answers wait for the database")
    slower = (
        f", {format_number(grew, 2)} times as long as at {format_number(lowest.rate)}/s"
        if grew >= 1.05
        else ""
    )
    return Limit(f"{server}: half of the calls take {milliseconds(now)} or more{slower}")


def _part_that_matters(stage: StageResult) -> float:
    """The share of failures that explains a missed objective."""
    shares = [
        one.objective.limit
        if one.objective.kind is ObjectiveKind.ERRORS
        else (100 - one.objective.percent) / 100
        for one in stage.missed
        if one.objective.kind is not ObjectiveKind.LAG
    ]
    return min(shares, default=1.0)


def _failure(stage: StageResult, server: str) -> str:
    failure, count = next(iter(stage.failures.items()))
    share = f"{count / max(1, stage.calls):.1%} of the calls"
    if failure == NOT_SENT:
        return f"connections: {share} found none of {stage.connections} available"
    if failure.startswith("HTTP 429"):
        return f"a rate limit: {server} answered {share} with 429"
    return f"errors: {share} of {server} failed ({failure})"


def _holds_on_the_wire(stage: StageResult) -> bool:
    """Whether the latencies would hold if calls had not waited for a connection."""
    limits = [one.objective for one in stage.missed if one.objective.kind is ObjectiveKind.LATENCY]
    return bool(limits) and all(stage.on_the_wire[limit.percent] < limit.limit for limit in limits)


def milliseconds(seconds: float) -> str:
    """`81 ms`, `2.5 s`."""
    return f"{format_number(seconds * 1000)} ms" if seconds < 1 else f"{format_number(seconds)} s"


def lowest_of(stages: Sequence[StageResult]) -> StageResult:
    """The stage at the lowest rate."""
    return min(stages, key=lambda stage: stage.rate)
