"""Failures: the canary fails more often than the stable version, or more often than any version may."""

import numpy as np

from monitor.rollouts import evidence
from monitor.rollouts.arms import Arms
from monitor.rollouts.signals.signal import Signal, weighed

FAILURES, FAILURE_LIMIT = "failures", "failure_limit"
LIMIT = 0.05
"""Share of failures that no version may exceed, unless the stable version does so too."""
SHARES = (0.08, 0.12, 0.25, 0.5)
_TIMES = (1.6, 2.5, 5.0, 10.0)


def failures(arms: Arms, weight: float) -> Signal:
    """Whether the canary fails more than 1.5 times as often as the stable version."""
    counts = arms.counts("failed", "answers")
    n = float(counts.canary.sum())
    failed, usual = counts.canary_share, counts.stable_share
    if not counts.both.any():
        return Signal(FAILURES, weight, np.ones(counts.canary.shape[-1]), "no minute in which both answered")
    told = f"{failed:.2%} of {n:,.0f} fail, {usual:.2%} of the stable version's"
    path = evidence.failing_more_often(counts)
    signal = Signal(FAILURES, weight, path, told, failed, usual, "share", n, float(counts.stable.sum()))
    return weighed(signal, evidence.burstiness(counts))


def failure_limit(arms: Arms, weight: float) -> Signal:
    """Whether more than 5 % of the canary's answers fail, and more than of the stable version's.

    In minutes in which the canary answers alone, the limit is at least 1.5 times the stable version's earlier share.
    """
    counts = arms.counts("failed", "answers")
    n, failed = float(counts.canary.sum()), float(counts.canary_bad.sum())
    usual = counts.stable_bad.sum() / counts.stable.sum() if counts.stable.sum() else 0.0
    limit = min(max(LIMIT, evidence.TOLERATED * usual), 0.9)
    beside = evidence.above_limit(counts, LIMIT, SHARES)
    alone = evidence.alone_above_limit(counts, limit, _TIMES)
    share = failed / n if n else 0.0
    told = f"{share:.2%} of {n:,.0f} fail; {LIMIT:.0%} is the limit"
    stable = counts.stable_share if counts.both.any() else None
    signal = Signal(FAILURE_LIMIT, weight, (2 * beside + alone) / 3, told, share, stable, "share", n)
    return weighed(signal, evidence.burstiness(counts))
