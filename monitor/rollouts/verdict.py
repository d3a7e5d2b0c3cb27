"""Evidence into a verdict: pass, fail or inconclusive, with the reason in words. Pure.

What cannot be judged is inconclusive, never a fail (that would roll back for our own outage) and never a pass (that
would promote by accident).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.rollouts.evidence import Minute, evidence
from monitor.rules.threshold import is_surely_beyond

ALPHA = 0.01
"""How often a canary that is not worse may be called so, over all looks of a rollout together."""
LEAST_ROWS = 100
LEAST_MINUTES = 6
FINAL_MINUTES = 30
STALE_AFTER = 180.0
"""Seconds without an answer of the canary after which nothing is said about it."""
TOO_BURSTY = 0.5
HARD_LIMIT, HARD_CONFIDENCE, HARD_MINUTES = 0.05, 0.9995, 5
"""Whatever the stable version does: this share of failures, surely exceeded over so many minutes, is a fail."""


class Gate(StrEnum):
    """What the verdict is for: to go on for now, or to promote."""

    GUARD = "guard"
    FINAL = "final"


class Outcome(StrEnum):
    """What is said about a canary."""

    PASS = "pass"  # noqa: S105 - the word of the canary's judge, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and what it rests on. Shares are of answers; `age` is how old the newest of them is, in seconds."""

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


def judge(
    canary: str, stable: str, minutes: Sequence[Minute], age: float | None, gate: Gate = Gate.GUARD
) -> Verdict:
    """Say what the minutes since the canary began prove. `age` is None where it never answered."""
    n_canary, n_stable = sum(m.canary for m in minutes), sum(m.stable for m in minutes)
    failed, stable_failed = sum(m.canary_failed for m in minutes), sum(m.stable_failed for m in minutes)
    found = evidence(minutes)

    def answer(outcome: Outcome, reason: str) -> Verdict:
        return Verdict(
            outcome, reason, canary, stable, n_canary, n_stable, failed, stable_failed, found.value, age
        )

    if age is None or age > STALE_AFTER:
        return answer(Outcome.INCONCLUSIVE, "no answer of the canary came in lately")
    if hard := _hard_breach(minutes):
        return answer(Outcome.FAIL, hard)
    if not n_stable:
        return answer(Outcome.INCONCLUSIVE, "no answer of the stable version to compare with")
    if len(minutes) < LEAST_MINUTES or n_canary < LEAST_ROWS:
        seen = f"{n_canary:,.0f} answers in {len(minutes)} minutes"
        return answer(Outcome.INCONCLUSIVE, f"{seen}; {LEAST_ROWS} answers in {LEAST_MINUTES} minutes needed")
    rates = f"{failed / n_canary:.2%} of {n_canary:,.0f} fail, {stable_failed / n_stable:.2%} of the stable version's"
    if found.value >= 1 / ALPHA:
        if found.burstiness > TOO_BURSTY:
            return answer(Outcome.INCONCLUSIVE, f"{rates}; failures come in bursts, a person has to look")
        return answer(Outcome.FAIL, f"{rates} (e-value {found.value:,.0f}, proof from {1 / ALPHA:.0f} on)")
    if gate is Gate.FINAL and len(minutes) < FINAL_MINUTES:
        return answer(Outcome.INCONCLUSIVE, f"{len(minutes)} minutes of {FINAL_MINUTES} needed to promote")
    return answer(Outcome.PASS, f"{rates} (e-value {found.value:.2g})")


def _hard_breach(minutes: Sequence[Minute]) -> str:
    last = minutes[-HARD_MINUTES:]
    n, failed = sum(m.canary for m in last), sum(m.canary_failed for m in last)
    if n < LEAST_ROWS or not is_surely_beyond(failed, n, HARD_LIMIT, HARD_CONFIDENCE, is_above=True):
        return ""
    return f"{failed / n:.1%} of the last {n:,.0f} answers fail, surely more than {HARD_LIMIT:.0%}"
