"""What commands and pages show of a rollout: its steps, and its signals now."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import format_duration, format_number
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.rollouts import plan, running
from monitor.rollouts.evaluate import evaluate
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.next_step import kept
from monitor.rollouts.running import Unapproved
from monitor.rollouts.verdict import ALPHA, Gate, Outcome
from monitor.store import rollouts
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, StoredCheck
from monitor.times.reading import NoTimeError, read
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
    connection: Connection,
    stream: Stream,
    canary: str,
    reading: ArmSettings,
    now: float,
    unapproved: Unapproved,
) -> View:
    """The newest rollout of a stream; of a version that has none, its verdict alone."""
    known = rollouts.latest(connection, stream)
    if known is not None and canary in ("", known[0].canary):
        return of_rollout(connection, known[0], known[1], reading, now, unapproved)
    if not canary:
        raise NotFoundError(f"no rollout of {stream}", hint="start one, or name a version: --canary 8")
    verdict = evaluate(connection, stream, canary, "", Gate.FINAL, reading, now)
    headline = one_line(f"{stream} {canary} beside {verdict.stable}: {verdict.outcome}, {verdict.reason}")
    over = {Outcome.PASS: 0, Outcome.FAIL: 1}.get(verdict.outcome)
    checks = [kept(signal) for signal in verdict.signals]
    return View(headline, (), _rows(checks), _reasons(checks), over)


def of_rollout(
    connection: Connection,
    rollout: Rollout,
    steps: tuple[RolloutStep, ...],
    reading: ArmSettings,
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
        headline = one_line(f"{named}: {last.state}, {last.reason}")
        return View(headline, lines, _rows(last.checks), _reasons(last.checks), _EXITS[last.state])
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


class ShownStep(msgspec.Struct, frozen=True):
    """A decision on a rollout: from `at` on, the canary receives `share` percent. `verdict` is what led to it."""

    step: int
    at: str
    state: str
    verdict: str
    share: float
    reason: str
    checks: tuple[StoredCheck, ...]


class ShownRollout(msgspec.Struct, frozen=True):
    """A rollout with all its steps, oldest first. `state` and `share` are those of the last one. `plan` is as
    `--steps` takes it. Fields may be added, never removed; times are ISO 8601 in UTC.
    """

    number: int
    client: str
    model: str
    environment: str
    canary: str
    stable: str
    plan: str
    state: str
    share: float
    started_at: str
    started_by: str
    steps: tuple[ShownStep, ...]

    @property
    def stream(self) -> Stream:
        """The stream that it is of."""
        return Stream(self.client, self.model, self.environment)

    @property
    def was_aborted(self) -> bool:
        """Whether it failed or was stopped."""
        return self.state in (RolloutState.FAILED, RolloutState.STOPPED)


def shown(rollout: Rollout, steps: Sequence[RolloutStep]) -> ShownRollout:
    """A rollout as commands and the API show it to staff."""
    stream, last = rollout.stream, steps[-1]
    return ShownRollout(
        rollout.number,
        stream.client,
        stream.model,
        stream.environment,
        rollout.canary,
        rollout.stable,
        plan.written(rollout.plan),
        last.state.value,
        last.share,
        iso(rollout.started_at),
        rollout.started_by,
        tuple(
            ShownStep(one.number, iso(one.at), one.state.value, verdict, one.share, one.reason, one.checks)
            for one, verdict in zip(steps, verdicts(steps), strict=True)
        ),
    )


def row(one: ShownRollout) -> tuple[str, ...]:
    """A rollout as a row of a table with `HEADINGS`."""
    last = one.steps[-1]
    cells = (one.canary, one.stable, plan.percent(last.share), last.state, last.at, last.reason)
    return (str(one.stream), *(one_line(cell) for cell in cells))


def history_line(one: ShownRollout) -> str:
    """A rollout in one line: when it was started and by whom, how it ended, and why."""
    last, highest = one.steps[-1], plan.percent(max(step.share for step in one.steps))
    is_running = last.state == RolloutState.RUNNING
    how = f"running at {plan.percent(last.share)}" if is_running else f"{last.state}{_after(one)}"
    return one_line(
        f"{one.number} {one.started_at} {one.canary} beside {one.stable}, by {one.started_by}: {how}, "
        f"{highest} at most: {last.reason}"
    )


def _after(one: ShownRollout) -> str:
    try:
        begun, ended = (read(text).micros / 1e6 for text in (one.started_at, one.steps[-1].at))
    except NoTimeError:
        return ""
    return f" after {format_duration(round(max(0.0, ended - begun)))}"


def verdicts(steps: Sequence[RolloutStep]) -> list[str]:
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
