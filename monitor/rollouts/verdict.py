"""The verdict on a canary: pass, fail or inconclusive, with its reason. Pure.

All signals share one error budget: the weighted mean of their e-values is an e-value itself, and the canary fails when
it reaches 1 / alpha. Without enough data the verdict is inconclusive. It never fails (an outage of Watchkeeper must not
roll back) and never passes (that would promote by accident).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from monitor.config.units import format_duration
from monitor.rollouts import signals
from monitor.rollouts.arms import Arms
from monitor.rollouts.signals import drift
from monitor.rollouts.signals.failures import FAILURE_LIMIT, FAILURES
from monitor.rollouts.signals.signal import LEAST_ANSWERS, CanarySignal, SignalState

ALPHA = 0.01
"""Probability of failing a canary that is not worse, over all signals and evaluations of a rollout together."""
LEAST_ROWS = 100
"""Answers of the canary before a pass; half of them are enough for a proof."""
LEAST_MINUTES, LEAST_MINUTES_TO_FAIL = 6, 3
"""Minutes of the canary before a verdict; fewer are enough for a proof."""
FINAL_MINUTES = 30
_LARGEST_SHOWN = 1_000_000.0
STALE_AFTER = 180.0
"""Seconds without an answer of the canary after which the verdict is inconclusive."""


class Gate(StrEnum):
    """What the verdict is for: to continue the rollout, or to promote the canary."""

    GUARD = "guard"
    FINAL = "final"


class Outcome(StrEnum):
    """The outcome of an evaluation of a canary."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome with numbers of answers and failures. `age` is that of the canary's last answer, in seconds.

    `e_value` is the weighted mean over all signals; `compared` and `watched` are the minutes in which both versions,
    and in which the canary answered. `minutes` are the starts of the latter, and `unheard` the answers of the stable
    version after the last one of the canary.
    """

    outcome: Outcome
    reason: str
    canary: str
    stable: str
    n_canary: float = 0.0
    n_stable: float = 0.0
    canary_failed: float = 0.0
    stable_failed: float = 0.0
    e_value: float = 0.0
    age: float | None = None
    signals: tuple[CanarySignal, ...] = ()
    compared: int = 0
    watched: int = 0
    minutes: tuple[float, ...] = ()
    unheard: float = 0.0


def unanswered(canary: str, stable: str, age: float | None) -> Verdict | None:
    """The verdict on a canary that never answered, or not recently; None if it can be evaluated."""
    if age is None:
        reason = f"no answers of version {canary!r} have been received"
    elif age > STALE_AFTER:
        at_most, old = format_duration(STALE_AFTER), format_duration(round(age))
        reason = f"the last answer of version {canary!r} is {old} old; at most {at_most} is allowed"
    else:
        return None
    return Verdict(Outcome.INCONCLUSIVE, reason, canary, stable, age=age)


def canary_verdict(
    canary: str, stable: str, arms: Arms, age: float | None, gate: Gate = Gate.GUARD
) -> Verdict:
    """Evaluate the minutes of a canary. `age` is None if it never answered."""
    compared = signals.compare(arms)
    inputs = drift.inputs(arms, 0.0)
    judged = _decide(canary, stable, arms, compared, inputs, gate)
    mine, other = arms.canary, arms.stable
    verdict = replace(
        judged,
        n_canary=float(mine.answers.sum()),
        n_stable=float(other.answers.sum()),
        canary_failed=float(mine.failed.sum()),
        stable_failed=float(other.failed.sum()),
        e_value=largest(compared),
        age=age,
        signals=tuple(judged.signals or (*compared, inputs)),
        compared=int(arms.compared.sum()),
        watched=int(arms.watched.sum()),
        minutes=tuple(arms.starts[arms.watched].tolist()) if arms.starts.size else (),
        unheard=_unheard(arms),
    )
    silent = unanswered(canary, stable, age)
    return verdict if silent is None else replace(verdict, outcome=silent.outcome, reason=silent.reason)


def _unheard(arms: Arms) -> float:
    answered = np.flatnonzero(arms.canary.answers)
    return float(arms.stable.answers[answered[-1] + 1 :].sum()) if answered.size else 0.0


def largest(compared: Iterable[CanarySignal]) -> float:
    """The largest weighted mean of the e-values so far."""
    paths = [signal.weight * signal.path for signal in compared]
    return float(np.sum(paths, axis=0).max(initial=0.0)) if paths else 0.0


def _decide(
    canary: str, stable: str, arms: Arms, compared: Sequence[CanarySignal], inputs: CanarySignal, gate: Gate
) -> Verdict:
    def answer(outcome: Outcome, reason: str, culprits: Sequence[CanarySignal] = ()) -> Verdict:
        names = {culprit.name for culprit in culprits}
        shown = tuple(
            replace(one, state=SignalState.FAIL) if one.name in names else one for one in (*compared, inputs)
        )
        return Verdict(outcome, reason, canary, stable, signals=shown)

    n, minutes = float(arms.canary.answers[arms.watched].sum()), int(arms.watched.sum())
    rates = compared[0].reason
    differ = _differ(inputs)
    usable = _usable(compared, minutes, differ)
    if n >= LEAST_ANSWERS and largest(usable) >= 1 / ALPHA:
        culprits = _culprits(usable)
        note = f"; {differ}" if differ else ""
        reason = f"{_named_reason(culprits[0])} ({_proof(largest(usable))}){note}"
        return answer(Outcome.FAIL, reason, culprits)
    if reason := _too_little(stable, arms, n, minutes) or _doubt(compared, differ):
        return answer(Outcome.INCONCLUSIVE, reason)
    if gate is Gate.FINAL and minutes < FINAL_MINUTES:
        reason = f"{rates}; {minutes} of {_count(FINAL_MINUTES, _unit(arms.seconds))} needed to promote"
        return answer(Outcome.INCONCLUSIVE, reason)
    return answer(Outcome.PASS, f"{rates} (e-value {largest(compared):.2g}){_blind(compared)}")


def _usable(compared: Sequence[CanarySignal], minutes: int, differ: str) -> list[CanarySignal]:
    """The signals that may prove a failure: in the first minutes only the limit of failures, and only failures where
    the versions are asked differently.
    """
    usable = [one for one in compared if one.state is SignalState.PASS and one.is_relevant]
    if minutes < LEAST_MINUTES_TO_FAIL:
        return [one for one in usable if one.name == FAILURE_LIMIT]
    return [one for one in usable if one.name in (FAILURES, FAILURE_LIMIT)] if differ else usable


def _too_little(stable: str, arms: Arms, n: float, minutes: int) -> str:
    """What is missing to compare the versions at all; empty if nothing is."""
    if not arms.stable.answers.sum():
        other = f"version {stable!r}" if stable else "another version"
        return f"no answers of {other} in this time to compare with"
    if minutes >= LEAST_MINUTES and n >= LEAST_ROWS:
        return ""
    so_far = f"{_count(n, 'answer')} in {_count(minutes, _unit(arms.seconds))}"
    return (
        f"{so_far}; at least {LEAST_ROWS} answers and {_count(LEAST_MINUTES, _unit(arms.seconds))} are needed"
    )


def _doubt(compared: Sequence[CanarySignal], differ: str) -> str:
    """Why there is no pass, although nothing is proven: there would be proof if it could be trusted."""
    measured = [one for one in compared if one.is_relevant and one.state is not SignalState.NOT_MEASURED]
    if largest(measured) < 1 / ALPHA:
        return ""
    reason = _named_reason(_culprits(measured)[0])
    return f"{reason}; {differ}" if differ else reason


def _culprits(compared: Sequence[CanarySignal]) -> list[CanarySignal]:
    """The signals that prove it alone, the most important first; if none does, the strongest."""
    alone = [one for one in compared if one.weight * one.e_value >= 1 / ALPHA]
    return alone or [max(compared, key=lambda one: one.weight * one.e_value)]


def _differ(inputs: CanarySignal) -> str:
    """What is wrong with the split of the traffic; empty if nothing is proven."""
    if inputs.state is not SignalState.PASS or not inputs.is_relevant or inputs.e_value < 1 / ALPHA:
        return ""
    return f"the versions receive different requests: {inputs.reason}; check how the traffic is split"


def _named_reason(signal: CanarySignal) -> str:
    return signal.reason if signal.name == FAILURES else f"{signal.name.replace('_', ' ')}: {signal.reason}"


def _proof(e_value: float) -> str:
    shown = f"{e_value:,.0f}" if e_value < _LARGEST_SHOWN else f"over {_LARGEST_SHOWN:,.0f}"
    return f"e-value {shown}, proof at {1 / ALPHA:.0f} or more"


def _blind(compared: Sequence[CanarySignal]) -> str:
    """What the verdict does not know."""
    names = [one.name.replace("_", " ") for one in compared if one.state is SignalState.NOT_MEASURED]
    return f"; not measured: {', '.join(names)}" if names else ""


def _unit(seconds: int) -> str:
    return "minute" if seconds == 60 else f"window of {format_duration(seconds)}"


def _count(number: float, noun: str) -> str:
    first, _, rest = noun.partition(" ")
    return f"{number:,.0f} {first}{'' if number == 1 else 's'}{' ' + rest if rest else ''}"
