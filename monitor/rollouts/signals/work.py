"""What a version saves and costs: automation, reviews by people, and the cost of an answer."""

import numpy as np

from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.evidence import Counts
from monitor.rollouts.signals.means import Sums, of_mean
from monitor.rollouts.signals.signal import CanarySignal, of_share

AUTOMATION, REVIEWS, COST = "automation", "reviews", "cost"


def automation(arms: Arms, weight: float) -> CanarySignal:
    """Whether fewer of the canary's answers are applied without a person."""
    by = arms.counts("automated", "automated_known")
    counts = Counts(by.canary - by.canary_bad, by.canary, by.stable - by.stable_bad, by.stable)
    least = arms.tolerated.automation
    return of_share(AUTOMATION, weight, counts, "are not automated", needs="`automated`", least=least)


def reviews(arms: Arms, weight: float) -> CanarySignal:
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
    return of_share(REVIEWS, weight, counts, "were reviewed", needs=needs, least=arms.tolerated.reviews)


def cost(arms: Arms, weight: float) -> CanarySignal:
    """Whether an answer of the canary costs more on average, by more than is tolerated."""
    canary = Sums(arms.of_canary(arms.canary.costed), arms.of_canary(arms.canary.costs.T))
    stable = Sums(arms.stable.costed, arms.stable.costs.T)
    return of_mean(COST, weight, canary, stable, "mean cost", arms.tolerated.cost, needs="`cost`")


def _reported(arm: Arm) -> bool:
    return bool(arm.reviewed_known.sum())
