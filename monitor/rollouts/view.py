"""What commands and pages show of a rollout: its steps, and its signals now."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import format_duration, format_number
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.rollouts import plan, running
from monitor.rollouts.evaluate import evaluate
from monitor.rollouts.load_arms import Reading
from monitor.rollouts.next_step import kept
from monitor.rollouts.running import Unapproved
from monitor.rollouts.verdict import ALPHA, Gate, Outcome
from monitor.store import rollouts
from monitor.store.rollouts import Rollout, RolloutState, Step, StoredCheck
from monitor.visible import one_line

HEADINGS = ("model", "canary", "stable", "share", "state", "since", "why")
SIGNALS = ("signal", "state", "canary", "stable", "e-value", "proof at")
_EXITS = {RolloutState.PROMOTED: 0, RolloutState.FAILED: 1, RolloutState.STOPPED: 1}


@dataclass(frozen=True, slots=True)
class View:
    """What is shown at one moment: a headline, the steps, the signals with what each says, and the exit code if all is
    over.
    """

    headline: str
    steps: tuple[str, ...]
    signals: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]
    exit: int | None


def view(
    connection: Connection, stream: Stream, canary: str, reading: Reading, now: float, unapproved: Unapproved
) -> View:
    """The newest rollout of a stream; of a version that has none, its verdict alone."""
    known = rollouts.latest(connection, stream)
    if known is not None and canary in ("", known[0].canary):
        return of_rollout(connection, known[0], known[1], reading, now, unapproved)
    if not canary:
        raise NotFoundError(f"no rollout of {stream}", hint="start one, or name a version: --canary 8")
    verdict = evaluate(connection, stream, canary, "", Gate.FINAL, reading, now)
    told = one_line(f"{stream} {canary} beside {verdict.stable}: {verdict.outcome}, {verdict.reason}")
    over = {Outcome.PASS: 0, Outcome.FAIL: 1}.get(verdict.outcome)
    checks = [kept(signal) for signal in verdict.signals]
    return View(told, (), _rows(checks), _reasons(checks), over)


def of_rollout(
    connection: Connection,
    rollout: Rollout,
    steps: tuple[Step, ...],
    reading: Reading,
    now: float,
    unapproved: Unapproved,
) -> View:
    """A rollout and its steps: with the verdict of now while it is running, else with that of its last step."""
    last = steps[-1]
    lines = tuple(
        one_line(f"{iso(step.at)}  {plan.percent(step.share)}  {step.state}: {step.reason}") for step in steps
    )
    named = f"{rollout.stream} {rollout.canary} beside {rollout.stable}"
    if last.state is not RolloutState.RUNNING:
        told = one_line(f"{named}: {last.state}, {last.reason}")
        return View(told, lines, _rows(last.checks), _reasons(last.checks), _EXITS[last.state])
    verdict, decision = running.judge(connection, rollout, last, reading, now, unapproved)
    checks = [kept(signal) for signal in verdict.signals]
    return View(one_line(f"{named}: {decision.reason}"), lines, _rows(checks), _reasons(checks), None)


def _reasons(checks: Sequence[StoredCheck]) -> tuple[str, ...]:
    return tuple(check.reason for check in checks)


def _rows(checks: Sequence[StoredCheck]) -> tuple[tuple[str, ...], ...]:
    """The signals as rows of a table with `SIGNALS`."""
    return tuple(
        (
            check.name.replace("_", " "),
            check.state,
            _figure(check.canary, check.unit),
            _figure(check.stable, check.unit),
            _e_value(check.e_value) if check.canary is not None else "",
            f"{1 / ALPHA / (check.weight or 1):,.0f}",
        )
        for check in checks
    )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "share":
        return f"{value:.2%}"
    return f"{format_number(value * 1000)} ms" if unit == "seconds" else format_number(value)


def _e_value(value: float) -> str:
    return f"{value:.3g}" if value < 1e6 else "> 1,000,000"


def row(rollout: Rollout, last: Step) -> tuple[str, ...]:
    """A rollout as a row of a table with `HEADINGS`."""
    return (
        str(rollout.stream),
        one_line(rollout.canary),
        one_line(rollout.stable),
        plan.percent(last.share),
        last.state.value,
        iso(last.at),
        one_line(last.reason),
    )


def history_line(rollout: Rollout, steps: tuple[Step, ...]) -> str:
    """A rollout in one line: when it was started and by whom, how it ended, and why."""
    last, highest = steps[-1], plan.percent(max(step.share for step in steps))
    took = format_duration(round(max(0.0, last.at - rollout.started_at)))
    is_running = last.state is RolloutState.RUNNING
    how = f"running at {plan.percent(last.share)}" if is_running else f"{last.state} after {took}"
    return one_line(
        f"{rollout.number} {iso(rollout.started_at)} {rollout.canary} beside {rollout.stable}, by "
        f"{rollout.started_by}: {how}, {highest} at most: {last.reason}"
    )


def verdicts(steps: Sequence[Step]) -> list[str]:
    """The verdict that led to each step, by its name; empty for a step that none has led to, such as the first one."""
    stages = [step.stage for step in steps]
    raised = [False, *(stage > before for before, stage in pairwise(stages))]
    return [
        Outcome.FAIL.value
        if step.state is RolloutState.FAILED
        else Outcome.PASS.value
        if step.state is RolloutState.PROMOTED or (step.state is RolloutState.RUNNING and is_raised)
        else ""
        for step, is_raised in zip(steps, raised, strict=True)
    ]


def as_json(rollout: Rollout, steps: tuple[Step, ...]) -> dict[str, Any]:
    """A rollout with all its steps. Keys may be added, never removed."""
    return {
        "number": rollout.number,
        "client": rollout.stream.client,
        "model": rollout.stream.model,
        "environment": rollout.stream.environment,
        "canary": rollout.canary,
        "stable": rollout.stable,
        "plan": plan.written(rollout.plan),
        "state": steps[-1].state.value,
        "share": steps[-1].share,
        "started_at": iso(rollout.started_at),
        "started_by": rollout.started_by,
        "steps": [
            {
                "step": one.number,
                "at": iso(one.at),
                "state": one.state.value,
                "verdict": verdict,
                "share": one.share,
                "reason": one.reason,
                "checks": [msgspec.structs.asdict(check) for check in one.checks],
            }
            for one, verdict in zip(steps, verdicts(steps), strict=True)
        ],
    }
