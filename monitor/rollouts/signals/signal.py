"""One signal of the verdict: what is compared, its evidence after each minute, and what it means in words."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from monitor.rollouts.evidence import Counts, burstiness, more_often_bad

LEAST_ANSWERS = 50
"""Answers of the canary below which a signal says that it cannot tell, and nothing fails a canary."""
TOO_BURSTY = 0.5


class SignalState(StrEnum):
    """The result of one signal for the canary."""

    PASS = "pass"  # noqa: S105 - a state, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, eq=False)
class CanarySignal:
    """One comparison of the canary with the stable version.

    `path` are the e-values after each minute, shape (minutes,); they count `weight` times in the common budget.
    `canary` and `stable` are the figures over the same minutes, in `unit`; None if not measured. `is_relevant`: whether
    the difference is large enough to stop a rollout for it. `reason` says it all in words.
    """

    name: str
    weight: float
    path: np.ndarray
    reason: str
    canary: float | None = None
    stable: float | None = None
    unit: str = "share"
    n_canary: float = 0.0
    n_stable: float = 0.0
    is_relevant: bool = True
    state: SignalState = SignalState.PASS

    @property
    def e_value(self) -> float:
        """The largest e-value so far."""
        return float(self.path.max(initial=0.0))


def not_measured(name: str, weight: float, minutes: int, reason: str) -> CanarySignal:
    """A signal for which nothing was sent. Its e-value stays 1: it neither accuses nor acquits."""
    return CanarySignal(name, weight, np.ones(minutes), reason, state=SignalState.NOT_MEASURED)


def of_share(
    name: str, weight: float, counts: Counts, what: str, *, needs: str, least: float = 0.0
) -> CanarySignal:
    """The signal of a share of bad answers, such as `answers are wrong`.

    `needs` is what has to be sent. The difference is relevant from `least` on, as a share.
    """
    minutes = counts.canary.shape[-1]
    if missing := absent(counts.canary, counts.stable, needs):
        return not_measured(name, weight, minutes, missing)
    canary, stable = counts.canary_share, counts.stable_share
    reason = f"{canary:.2%} of {counts.canary.sum():,.0f} {what}, {stable:.2%} of the stable version's"
    signal = CanarySignal(
        name,
        weight,
        more_often_bad(counts),
        reason,
        canary,
        stable,
        n_canary=float(counts.canary.sum()),
        n_stable=float(counts.stable.sum()),
        is_relevant=canary - stable >= least,
    )
    return weighed(signal, bursts=burstiness(counts))


def absent(canary: np.ndarray, stable: np.ndarray, needs: str) -> str:
    """Why a signal is not measured; empty if both versions have answers in the same minutes."""
    if not (canary.sum() or stable.sum()):
        return f"nothing was sent with {needs}"
    if not canary.sum():
        return f"nothing of the canary was sent with {needs}"
    if not stable.sum():
        return f"nothing of the stable version was sent with {needs}"
    if not ((canary > 0) & (stable > 0)).any():
        return f"both versions never sent {needs} in the same minute"
    return ""


def weighed(signal: CanarySignal, bursts: float = 0.0) -> CanarySignal:
    """The signal, inconclusive where it has too few answers, or where its bad answers come in bursts."""
    if signal.n_canary < LEAST_ANSWERS:
        reason = f"{signal.reason}; {signal.n_canary:,.0f} of {LEAST_ANSWERS} answers needed"
        return replace(signal, reason=reason, state=SignalState.INCONCLUSIVE)
    if bursts > TOO_BURSTY:
        reason = f"{signal.reason}; they come in bursts, check manually"
        return replace(signal, reason=reason, state=SignalState.INCONCLUSIVE)
    return signal
