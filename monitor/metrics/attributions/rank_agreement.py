"""How well a ranking of features agrees with the baseline's: NDCG, and the values that chance leaves possible."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from monitor.metrics.intervals import Interval
from monitor.windows.layout.layout import Floats


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """NDCG (0 to 1, 1: the baseline's order) with its interval."""

    value: float
    interval: Interval


def ndcg(relevance: Floats, sizes: Floats) -> float:
    """The discounted gain of ranking by `sizes`, over that of ranking by `relevance`; each of shape (features,).

    Equal sizes share their places evenly (McSherry and Najork 2008). `relevance` must have a positive value.
    """
    discounts = _discounts(relevance.size)
    order = np.argsort(-sizes, kind="stable")
    _, place, amounts = np.unique(-sizes[order], return_inverse=True, return_counts=True)
    gain = float((relevance[order] * (np.bincount(place, discounts) / amounts)[place]).sum())
    return gain / _ideal(relevance, discounts)


def agreement(relevance: Floats, sizes: Floats, half: Floats) -> RankAgreement:
    """NDCG, with limits that hold for all orders of values that are within `half` of `sizes`.

    A feature must stand behind another one where its whole interval is below the other's. The limits respect how many
    features must stand before, and how many behind, each one.
    """
    low, high = sizes - half, sizes + half
    before = low.size - np.searchsorted(np.sort(low), high, side="right")
    behind = np.searchsorted(np.sort(high), low, side="left")
    discounts = _discounts(relevance.size)
    ideal = _ideal(relevance, discounts)
    value = ndcg(relevance, sizes)
    best = float(np.dot(list(_placed(relevance, before)), discounts)) / ideal
    worst = float(np.dot(list(_placed(relevance, behind)), discounts[::-1])) / ideal
    return RankAgreement(value, (min(max(worst, 0.0), value), max(min(best, 1.0), value)))


def _placed(gains: Floats, earliest: np.ndarray) -> Iterator[float]:
    """At each place, the largest gain of those that may stand there and are not yet placed."""
    order = np.argsort(earliest, kind="stable").tolist()
    waiting: list[float] = []
    arrived = 0
    for place in range(gains.size):
        while arrived < len(order) and earliest[order[arrived]] <= place:
            heappush(waiting, -float(gains[order[arrived]]))
            arrived += 1
        yield -heappop(waiting)


def _discounts(places: int) -> Floats:
    return np.asarray(1.0 / np.log2(np.arange(places) + 2.0))


def _ideal(relevance: Floats, discounts: Floats) -> float:
    return float((np.sort(relevance)[::-1] * discounts).sum())
