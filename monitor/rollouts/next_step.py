"""Which step of a rollout comes next, and why. Pure.

Only a proof fails a canary, and only a pass over the time of a stage lets it go on. Whatever is undecided holds the
share as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import format_duration
from monitor.rollouts.plan import percent
from monitor.rollouts.signals.signal import CanarySignal
from monitor.rollouts.verdict import STALE_AFTER, Outcome, Verdict
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, StoredCheck

LEAST_ANSWERED = 0.8
"""The share of a stage in which the canary has to answer before the rollout goes on."""
UNHEARD = 30.0
"""Answers that a silent canary should have given, by its share, before all traffic goes back to the stable version."""
_CLOCK_STEP = 5.0


@dataclass(frozen=True, slots=True)
class StepDecision:
    """What happens now. `step` is None if the share stays as it is; `reason` says why in either case."""

    step: RolloutStep | None
    reason: str


def first_step(rollout: Rollout) -> RolloutStep:
    """The step that starts a rollout."""
    share = rollout.plan[0].share
    reason = f"started by {rollout.started_by}: version {rollout.canary} receives {percent(share)}"
    return RolloutStep(1, rollout.started_at, RolloutState.RUNNING, 0, share, reason)


def stopped(last: RolloutStep, who: str, now: float) -> RolloutStep:
    """The step by which a person stops a rollout: all traffic goes to the stable version."""
    return RolloutStep(last.number + 1, now, RolloutState.STOPPED, last.stage, 0.0, f"stopped by {who}")


def next_step(
    rollout: Rollout, last: RolloutStep, verdict: Verdict, now: float, base_seconds: int, unapproved: str
) -> StepDecision:
    """Decide on a running rollout after its `last` step.

    `unapproved` says why the canary may not receive all traffic because an approval is missing; empty if it may.
    """

    def change(state: RolloutState, share: float, reason: str, stage: int = last.stage) -> StepDecision:
        checks = tuple(kept(signal) for signal in verdict.signals)
        return StepDecision(RolloutStep(last.number + 1, now, state, stage, share, reason, checks), reason)

    if last.state is not RolloutState.RUNNING:
        return StepDecision(None, last.reason)
    if now < last.at - _CLOCK_STEP:
        back = format_duration(round(last.at - now))
        return change(
            RolloutState.RUNNING, last.share, f"the clock was set back by {back}: the stage starts again"
        )
    if verdict.outcome is Outcome.FAIL:
        return change(RolloutState.FAILED, 0.0, f"version {rollout.canary} is worse: {verdict.reason}")
    if silent := _silent(rollout, last, verdict):
        return change(RolloutState.STOPPED, 0.0, silent)
    if waiting := _waiting(rollout, last, verdict, now, base_seconds):
        return StepDecision(None, waiting)
    is_last = last.stage + 1 >= len(rollout.plan)
    share = 100.0 if is_last else rollout.plan[last.stage + 1].share
    if unapproved and share >= 100:
        return StepDecision(None, f"at {percent(last.share)}, held: {unapproved}")
    if not is_last:
        reason = f"version {rollout.canary} receives {percent(share)} after a pass: {verdict.reason}"
        return change(RolloutState.RUNNING, share, reason, last.stage + 1)
    return change(RolloutState.PROMOTED, share, f"version {rollout.canary} is promoted: {verdict.reason}")


def kept(signal: CanarySignal) -> StoredCheck:
    """A signal as it is stored with a step."""
    return StoredCheck(
        signal.name,
        signal.state.value,
        signal.reason,
        signal.e_value,
        signal.canary,
        signal.stable,
        signal.unit,
        signal.weight,
    )


def _silent(rollout: Rollout, last: RolloutStep, verdict: Verdict) -> str:
    """Why a canary that has stopped answering is stopped: the stable version went on. Empty if it is not."""
    if verdict.age is None or verdict.age <= STALE_AFTER or last.share >= 100:
        return ""
    missing = verdict.unheard * last.share / (100 - last.share)
    if missing < UNHEARD:
        return ""
    return (
        f"version {rollout.canary} has stopped answering, while version {rollout.stable} gave "
        f"{verdict.unheard:,.0f} answers: all traffic goes back"
    )


def _waiting(rollout: Rollout, last: RolloutStep, verdict: Verdict, now: float, base_seconds: int) -> str:
    """Why the share stays as it is; empty if the stage is complete and passed."""
    stage = rollout.plan[min(last.stage, len(rollout.plan) - 1)]
    at = f"at {percent(last.share)}"
    if verdict.outcome is Outcome.INCONCLUSIVE and verdict.age is None and last.number == 1:
        return f"{at}: {verdict.reason}; does the switch poll its share?"
    elapsed = max(0.0, now - last.at)
    if elapsed < stage.seconds:
        left = format_duration(max(round(stage.seconds - elapsed), 1))
        return f"{at}, {left} to go: {verdict.outcome}, {verdict.reason}"
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return f"{at}, held: {verdict.reason}"
    answered = _windows_since(verdict.minutes, last.at) * base_seconds
    needed = LEAST_ANSWERED * stage.seconds - 2 * base_seconds
    if answered < needed:
        return (
            f"{at}, held: version {rollout.canary} answered in {format_duration(answered)} of this stage; "
            f"{format_duration(round(needed))} needed"
        )
    return ""


def _windows_since(starts: Sequence[float], since: float) -> int:
    return sum(start >= since for start in starts)
