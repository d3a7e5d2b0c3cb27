"""Latency: the canary is slower than the stable version, by more than is tolerated (1.5 times), by distribution.

If the canary takes at most 1.5 times as long, it exceeds 1.5 x with at most the chance that the stable version exceeds
x, whatever x is. So both are compared at two values of x: the stable version's median and its 95th percentile in the
minutes before. Means do not matter, nor does a single answer that takes an hour.
"""

import numpy as np

from monitor.rollouts import evidence
from monitor.rollouts.arms import Arms
from monitor.rollouts.evidence import QUIET_MINUTES, Counts
from monitor.rollouts.signals.signal import CanarySignal, absent, not_measured, weighed

LATENCY = "latency"
_SHARES = (0.5, 0.05)
"""The shares of the stable version's answers that are slower than the two values."""
_LARGEST_SHARE_ALONE = 0.075
"""Alone, this share of the canary's answers may exceed what is tolerated of the stable version's earlier p95."""
_TIMES = (2.0, 4.0, 8.0)


def latency(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary takes longer than the stable version, by more than is tolerated."""
    slow, usual = arms.of_canary(arms.canary.latency.sum(axis=-1)), arms.stable.latency.sum(axis=-1)
    minutes = slow.shape[-1]
    if not (slow.sum() and usual.sum()):
        return not_measured(LATENCY, weight, minutes, absent(slow, usual, "`latency_ms`"))
    quantiles = [_quantiles(arms, share) for share in (0.5, 0.95)]
    reason = ", ".join(
        f"{name} {mine:,.3g} ms, {other:,.3g} ms of the stable version's ({mine / other:.1f} times)"
        for name, (mine, other) in zip(("median", "p95"), quantiles, strict=True)
        if other > 0
    )
    mine, other = quantiles[1]
    signal = CanarySignal(
        LATENCY,
        weight,
        path(arms),
        reason,
        mine / 1000,
        other / 1000,
        "seconds",
        float(slow.sum()),
        float(usual.sum()),
    )
    return weighed(signal)


def path(arms: Arms) -> np.ndarray:
    """The e-values after each minute, shape (..., minutes)."""
    at_median, at_95 = (counts_above(arms, share) for share in _SHARES)
    alone = evidence.alone_above_limit(at_95, _LARGEST_SHARE_ALONE, _TIMES)
    return np.asarray(
        0.4 * evidence.more_often_bad(at_median) + 0.4 * evidence.more_often_bad(at_95) + 0.2 * alone
    )


def counts_above(arms: Arms, share: float) -> Counts:
    """The answers slower than the value that this share of the stable version's earlier answers exceeded, scaled for
    the canary by what is tolerated.

    The stable version's minutes before the first comparison determine the value; it is computed again in each minute.
    """
    edges, stable, slower = arms.latency_edges, arms.stable.latency, arms.tolerated.latency
    past = np.cumsum(stable, axis=-2) - stable
    rows = np.cumsum(past, axis=-1)
    total = rows[..., -1]
    place = np.sum(rows <= (1 - share) * total[..., None], axis=-1) + 1  # the first edge above the quantile
    place = np.minimum(place, edges.size - 1)
    scaled = np.minimum(np.searchsorted(edges, slower * edges[place]), edges.size - 1)
    is_known = (total > 0) & (np.arange(total.shape[-1]) >= QUIET_MINUTES) & np.isfinite(edges[scaled])
    is_known &= slower * edges[place] <= edges[-1]

    def above(histogram: np.ndarray, first: np.ndarray) -> np.ndarray:
        up_to = np.cumsum(histogram, axis=-1)
        below = np.take_along_axis(up_to, np.maximum(first - 1, 0)[..., None], axis=-1)[..., 0]
        return np.asarray(np.where(is_known, up_to[..., -1] - below, 0.0))

    canary = arms.canary.latency
    return Counts(
        arms.of_canary(above(canary, scaled)),
        arms.of_canary(np.where(is_known, canary.sum(axis=-1), 0.0)),
        above(stable, place),
        np.where(is_known, stable.sum(axis=-1), 0.0),
    )


def _quantiles(arms: Arms, share: float) -> tuple[float, float]:
    """The canary's and the stable version's quantile in milliseconds, over the minutes in which both answered."""
    canary, stable = arms.canary.latency, arms.stable.latency
    mine, other = arms.of_canary(canary.sum(axis=-1)), stable.sum(axis=-1)
    weights = np.where(other > 0, mine / np.maximum(other, 1.0), 0.0)
    if not weights.any():  # never in the same minute: the stable version's earlier minutes
        weights = np.ones_like(weights)
    both = arms.watched & (other > 0) if (arms.watched & (other > 0)).any() else arms.watched
    return (
        _quantile(arms.latency_edges, canary[both].sum(axis=0), share),
        _quantile(arms.latency_edges, (stable * weights[:, None]).sum(axis=0), share),
    )


def _quantile(edges: np.ndarray, counts: np.ndarray, share: float) -> float:
    sums = np.cumsum(counts)
    place = int(np.searchsorted(sums, share * sums[-1])) if sums[-1] else 0
    low = float(edges[max(place, 1)])
    high = float(edges[place + 1]) if 1 <= place < edges.size - 1 else low
    return float(np.sqrt(low * high))
