"""What a version saves and costs: automation, reviews by people, and the cost of an answer."""

import numpy as np

from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.evidence import Counts
from monitor.rollouts.signals.means import Sums, of_mean
from monitor.rollouts.signals.signal import Signal, of_share

AUTOMATION, REVIEWS, COST = "automation", "reviews", "cost"
LEAST_CHANGE = 0.02
"""The change of a rate, as a share, from which on a rollout is stopped for it."""
DEARER = 1.2
"""An answer of the canary may cost this many times as much on average."""


def automation(arms: Arms, weight: float) -> Signal:
    """Whether fewer of the canary's answers are applied without a person."""
    by = arms.counts("automated", "automated_known")
    counts = Counts(by.canary - by.canary_bad, by.canary, by.stable - by.stable_bad, by.stable)
    return of_share(AUTOMATION, weight, counts, "are not automated", needs="`automated`", least=LEAST_CHANGE)


def reviews(arms: Arms, weight: float) -> Signal:
    """Whether more of the canary's answers are reviewed by a person. An answer without a report was not reviewed."""
    canary, stable = _reported(arms.canary), _reported(arms.stable)
    by = arms.counts("reviewed", "answers")
    counts = Counts(
        np.minimum(by.canary_bad, by.canary),
        by.canary if canary else np.zeros_like(by.canary),
        np.minimum(by.stable_bad, by.stable),
        by.stable if stable else np.zeros_like(by.stable),
    )
    needs = "`reviewed` in outcomes"
    return of_share(REVIEWS, weight, counts, "were reviewed", needs=needs, least=LEAST_CHANGE)


def cost(arms: Arms, weight: float) -> Signal:
    """Whether an answer of the canary costs more than 1.2 times as much on average."""
    canary = Sums(arms.of_canary(arms.canary.costed), arms.of_canary(arms.canary.costs.T))
    stable = Sums(arms.stable.costed, arms.stable.costs.T)
    return of_mean(COST, weight, canary, stable, "mean cost", DEARER, needs="`cost`")


def _reported(arm: Arm) -> bool:
    return bool(arm.reviewed_known.sum())
