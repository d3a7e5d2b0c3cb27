"""Quality: realised where the truth is known, and estimated from the confidence before."""

import numpy as np

from monitor.rollouts import evidence
from monitor.rollouts.arms import Arms
from monitor.rollouts.signals.means import Sums, of_mean
from monitor.rollouts.signals.signal import CanarySignal, absent, not_measured, of_share, weighed

QUALITY, ESTIMATED_QUALITY = "quality", "estimated_quality"
_TILTS = (0.1, 0.2, 0.4, 0.8)
"""Alternatives for the estimate: so many standard deviations worse."""


def quality(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary's answers are wrong more often; for numbers, whether their mean absolute error is larger."""
    if not arms.is_number:
        counts = arms.counts("wrong", "judged")
        what = "answers with a known truth are wrong"
        return of_share(QUALITY, weight, counts, what, needs="`truth`", least=arms.tolerated.quality)
    canary, stable = arms.canary, arms.stable
    mine = Sums(arms.of_canary(canary.numbers), arms.of_canary(canary.errors.T))
    other = Sums(stable.numbers, stable.errors.T)
    tolerated = arms.tolerated.error
    return of_mean(QUALITY, weight, mine, other, "mean absolute error", tolerated, needs="`truth`")


def estimated_quality(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary's answers are expected to be wrong more often, by their confidence."""
    minutes = arms.canary.answers.shape[-1]
    if arms.right_shares is None:
        return not_measured(ESTIMATED_QUALITY, weight, minutes, "no baseline with `truth` and `confidence`")
    mine, other = arms.of_canary(arms.canary.confidence.T).T, arms.stable.confidence
    n, m = mine.sum(axis=-1), other.sum(axis=-1)
    if missing := absent(n, m, "`confidence`"):
        return not_measured(ESTIMATED_QUALITY, weight, minutes, missing)
    wrong = 1 - arms.right_shares
    both = (n > 0) & (m > 0)
    weights = np.where(both, n, 0.0)
    canary = float((mine @ wrong)[both].sum() / weights.sum())
    stable = float(((other @ wrong) / np.maximum(m, 1.0) * weights).sum() / weights.sum())
    reason = (
        f"{canary:.2%} are expected to be wrong by their confidence, {stable:.2%} of the stable version's"
    )
    path = larger_values(mine, other, wrong)
    signal = CanarySignal(
        ESTIMATED_QUALITY,
        weight,
        path,
        reason,
        canary,
        stable,
        n_canary=float(n.sum()),
        n_stable=float(m.sum()),
        is_relevant=canary - stable >= arms.tolerated.quality,
    )
    return weighed(signal)


def larger_values(canary: np.ndarray, stable: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Evidence that the canary's values are larger, from counts per value, shapes (minutes, values) and (values,).

    If both draw from the same values, the mean of a bet on the canary's sum is at most that of as many independent
    draws from the answers of both (Hoeffding 1963).
    """
    pooled = canary + stable
    n, total = canary.sum(axis=-1), pooled.sum(axis=-1)
    answers = np.maximum(total, 1.0)
    deviation = np.sqrt(np.maximum(pooled @ values**2 / answers - (pooled @ values / answers) ** 2, 1e-12))
    usual = np.concatenate([deviation[:1], deviation[:-1]])  # of the minute before
    bets = []
    for tilt in _TILTS:
        by = np.minimum(tilt / usual, 50.0)
        mean = (pooled * np.exp(np.outer(by, values))).sum(axis=-1) / answers
        bet = by * (canary @ values) - n * np.log(np.maximum(mean, 1e-300))
        bets.append(np.where((n > 0) & (total > n), bet, 0.0))
    return evidence.e_process(np.stack(bets))
