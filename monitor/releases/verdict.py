"""The verdict on a canary: pass, fail or inconclusive, with its reason. Pure.

Without enough data the verdict is inconclusive. It never fails (an outage of Watchkeeper must not roll back) and never
passes (that would promote by accident).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.config.units import format_duration
from monitor.releases.evidence import Minute, evidence
from monitor.rules.engine.threshold import is_surely_beyond

ALPHA = 0.01
"""Probability of failing a canary that is not worse, over all evaluations of a rollout together."""
LEAST_ROWS = 100
LEAST_MINUTES = 6
FINAL_MINUTES = 30
STALE_AFTER = 180.0
"""Seconds without an answer of the canary after which the verdict is inconclusive."""
TOO_BURSTY = 0.5
HARD_LIMIT, HARD_CONFIDENCE, HARD_MINUTES = 0.05, 0.9995, 5
"""This share of failures, significantly exceeded over this many minutes, always fails the canary."""


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
    """The outcome with numbers of answers and failures. `age` is that of the canary's last answer, in seconds."""

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


def canary_verdict(
    canary: str, stable: str, minutes: Sequence[Minute], age: float | None, gate: Gate = Gate.GUARD
) -> Verdict:
    """Evaluate the minutes since the canary started. `age` is None if it never answered."""
    n_canary, n_stable = sum(m.canary for m in minutes), sum(m.stable for m in minutes)
    failed, stable_failed = sum(m.canary_failed for m in minutes), sum(m.stable_failed for m in minutes)
    proof = evidence(minutes)

    def answer(outcome: Outcome, reason: str) -> Verdict:
        return Verdict(
            outcome, reason, canary, stable, n_canary, n_stable, failed, stable_failed, proof.value, age
        )

    if unanswered := _unanswered(canary, age):
        return answer(Outcome.INCONCLUSIVE, unanswered)
    if hard := _hard_breach(minutes):
        return answer(Outcome.FAIL, hard)
    if not n_stable:
        other = f"version {stable!r}" if stable else "another version"
        return answer(Outcome.INCONCLUSIVE, f"no answers of {other} in this time to compare with")
    if len(minutes) < LEAST_MINUTES or n_canary < LEAST_ROWS:
        so_far = f"{_count(n_canary, 'answer')} in {_count(len(minutes), 'minute')}"
        needed = f"at least {LEAST_ROWS} answers and {LEAST_MINUTES} minutes are needed"
        return answer(Outcome.INCONCLUSIVE, f"{so_far}; {needed}")
    rates = f"{failed / n_canary:.2%} of {n_canary:,.0f} fail, {stable_failed / n_stable:.2%} of the stable version's"
    if proof.value >= 1 / ALPHA:
        if proof.burstiness > TOO_BURSTY:
            return answer(Outcome.INCONCLUSIVE, f"{rates}; failures come in bursts, check manually")
        return answer(Outcome.FAIL, f"{rates} (e-value {proof.value:,.0f}, proof at {1 / ALPHA:.0f} or more)")
    if gate is Gate.FINAL and len(minutes) < FINAL_MINUTES:
        reason = f"{rates}; {len(minutes)} of {FINAL_MINUTES} minutes needed to promote"
        return answer(Outcome.INCONCLUSIVE, reason)
    return answer(Outcome.PASS, f"{rates} (e-value {proof.value:.2g})")


def _unanswered(canary: str, age: float | None) -> str:
    """Why the canary cannot be evaluated now: it never answered, or not recently. Empty if it can."""
    if age is None:
        return f"no answers of version {canary!r} have been received"
    if age <= STALE_AFTER:
        return ""
    at_most = format_duration(STALE_AFTER)
    return f"the last answer of version {canary!r} is {format_duration(round(age))} old; at most {at_most} is allowed"


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def _hard_breach(minutes: Sequence[Minute]) -> str:
    last = minutes[-HARD_MINUTES:]
    n, failed = sum(m.canary for m in last), sum(m.canary_failed for m in last)
    if n < LEAST_ROWS or not is_surely_beyond(failed, n, HARD_LIMIT, HARD_CONFIDENCE, is_above=True):
        return ""
    return f"{failed / n:.1%} of the last {n:,.0f} answers fail, significantly more than {HARD_LIMIT:.0%}"
