"""Failures: the canary fails more often than the stable version, or more often than any version may."""

import numpy as np

from monitor.config.units import format_number
from monitor.rollouts import evidence
from monitor.rollouts.arms import Arms
from monitor.rollouts.signals.signal import CanarySignal, weighed

FAILURES, FAILURE_LIMIT = "failures", "failure_limit"
_TIMES_BESIDE, _TIMES_ALONE = (1.6, 2.4, 5.0, 10.0), (1.6, 2.5, 5.0, 10.0)
"""Alternatives for the share of failures: this many times the limit."""


def failures(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary fails more often than the stable version, by more than is tolerated."""
    counts = arms.counts("failed", "answers")
    n = float(counts.canary.sum())
    failed, usual = counts.canary_share, counts.stable_share
    if not counts.both.any():
        return CanarySignal(
            FAILURES, weight, np.ones(counts.canary.shape[-1]), "no minute in which both answered"
        )
    reason = f"{failed:.2%} of {n:,.0f} fail, {usual:.2%} of the stable version's"
    path = evidence.failing_more_often(counts, arms.tolerated.failures)
    signal = CanarySignal(
        FAILURES, weight, path, reason, failed, usual, "share", n, float(counts.stable.sum())
    )
    return weighed(signal, evidence.burstiness(counts))


def failure_limit(arms: Arms, weight: float) -> CanarySignal:
    """Whether more of the canary's answers fail than any version may, and more than of the stable version's.

    In minutes in which the canary answers alone, the limit is at least the stable version's earlier share times what is
    tolerated.
    """
    highest = arms.tolerated.failure_limit
    counts = arms.counts("failed", "answers")
    n, failed = float(counts.canary.sum()), float(counts.canary_bad.sum())
    usual = counts.stable_bad.sum() / counts.stable.sum() if counts.stable.sum() else 0.0
    limit = min(max(highest, arms.tolerated.failures * usual), 0.9)
    beside = evidence.above_limit(counts, highest, shares_above(highest))
    alone = evidence.alone_above_limit(counts, limit, _TIMES_ALONE)
    share = failed / n if n else 0.0
    reason = f"{share:.2%} of {n:,.0f} fail; {format_number(100 * highest)}% is the limit"
    stable = counts.stable_share if counts.both.any() else None
    signal = CanarySignal(FAILURE_LIMIT, weight, (2 * beside + alone) / 3, reason, share, stable, "share", n)
    return weighed(signal, evidence.burstiness(counts))


def shares_above(limit: float) -> tuple[float, ...]:
    """Alternatives for the share of failures beside the stable version."""
    return tuple(min(limit * times, 0.99) for times in _TIMES_BESIDE)
