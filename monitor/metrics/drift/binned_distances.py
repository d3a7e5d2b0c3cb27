"""PSI, Jensen-Shannon, Hellinger, total variation and chi-square, for all columns at once, from the counts of cells.

The cells of a column are: missing, the deciles of the baseline (or its most frequent labels), new labels.
"""

from dataclasses import dataclass

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.drift.compared_counts import ComparedCounts
from monitor.metrics.drift.distance_plan import DistancePlan
from monitor.metrics.metric import MetricInfo
from monitor.records import Better

_WHERE = ("feature", "output")
_CELLS = "over missing, the baseline's deciles (or most frequent labels) and new labels"
PSI = MetricInfo(
    "psi", "", Better.LOWER, "Population stability index: below 0.1 similar, above 0.2 changed.", _WHERE,
    f"sum (p - q) ln(p / q) {_CELLS}, half a row added to each", "a baseline", "Siddiqi 2006",
)  # fmt: skip
JENSEN_SHANNON = MetricInfo(
    "jensen_shannon", "", Better.LOWER, "Jensen-Shannon distance, 0 (equal) to 1 (nothing in common).", _WHERE,
    f"square root of the divergence in bits {_CELLS}", "a baseline", "Lin 1991; Endres and Schindelin 2003",
)  # fmt: skip
HELLINGER = MetricInfo(
    "hellinger", "", Better.LOWER, "Hellinger distance, 0 to 1.", _WHERE,
    f"square root of 1 - sum sqrt(p q) {_CELLS}", "a baseline",
)  # fmt: skip
TOTAL_VARIATION = MetricInfo(
    "total_variation", "share", Better.LOWER, "Share of the rows that would have to change to make both equal.",
    _WHERE, f"half the sum of |p - q| {_CELLS}", "a baseline",
)  # fmt: skip
CHI_SQUARE = MetricInfo(
    "chi_square", "", Better.LOWER, "Chi-square of window against baseline, with the p-value of the test.",
    _WHERE, f"Pearson's contingency statistic {_CELLS}, both sides counted as samples", "a baseline", "Pearson 1900",
)  # fmt: skip
INFO = (PSI, JENSEN_SHANNON, HELLINGER, TOTAL_VARIATION, CHI_SQUARE)
_PSEUDO_COUNT = 0.5
"""Added to every cell for the PSI: an empty cell does not give infinity, and small samples are less biased."""


@dataclass(frozen=True, slots=True, eq=False)
class BinnedDistances:
    """Distances over the cells of each column, all of shape (columns,).

    `p_value` is that of the chi-square test that both sides have one distribution; `expected_psi` is the PSI that
    sampling alone would give.
    """

    psi: np.ndarray
    jensen_shannon: np.ndarray
    hellinger: np.ndarray
    total_variation: np.ndarray
    chi_square: np.ndarray
    degrees: np.ndarray
    p_value: np.ndarray
    expected_psi: np.ndarray


def compare(
    plan: DistancePlan, current: ComparedCounts, base: ComparedCounts, *, only_psi: bool = False
) -> BinnedDistances:
    """Compare the cells of all columns. With `only_psi`, what neither the PSI nor its p-value needs is NaN."""
    c, r = current.cells, base.cells
    n, m = np.maximum(current.rows, 1e-300), np.maximum(base.rows, 1e-300)
    big_n, big_m = plan.spread(n), plan.spread(m)
    p, q = c / big_n, r / big_m
    seen = (c + r) > 0
    kinds = plan.sums(seen.astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Pearson's statistic of the two-row table is n m / (n + m) times this sum over pooled shares.
        pooled = (c + r) / (big_n + big_m)
        relative = np.where(seen, (p - q) ** 2 / np.where(seen, pooled, 1.0), 0.0)
    noise = current.design / n + base.design / m
    statistic = plan.sums(relative) / noise
    degrees = np.maximum(kinds - 1, 0)
    others = (np.full(len(kinds), np.nan),) * 3 if only_psi else _other_distances(plan, p, q, seen)
    return BinnedDistances(
        psi=_psi(plan, c, r, seen, kinds, n, m),
        jensen_shannon=others[0],
        hellinger=others[1],
        total_variation=others[2],
        chi_square=statistic,
        degrees=degrees,
        p_value=intervals.chi_square(statistic, degrees),
        expected_psi=degrees * noise,
    )


def _other_distances(
    plan: DistancePlan, p: np.ndarray, q: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Jensen-Shannon, Hellinger and total variation."""
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(seen, (p + q) / 2, 1.0)
        divergence = _times_log(p, middle) + _times_log(q, middle)
    return (
        np.sqrt(np.clip(plan.sums(divergence) / 2, 0, 1)),
        np.sqrt(np.clip(1 - plan.sums(np.sqrt(p * q)), 0, 1)),
        plan.sums(np.abs(p - q)) / 2,
    )


def _psi(
    plan: DistancePlan,
    c: np.ndarray,
    r: np.ndarray,
    seen: np.ndarray,
    kinds: np.ndarray,
    n: np.ndarray,
    m: np.ndarray,
) -> np.ndarray:
    p = (c + _PSEUDO_COUNT) / plan.spread(n + _PSEUDO_COUNT * kinds)
    q = (r + _PSEUDO_COUNT) / plan.spread(m + _PSEUDO_COUNT * kinds)
    return plan.sums(np.where(seen, (p - q) * np.log(p / q), 0.0))


def _times_log(p: np.ndarray, middle: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0) / middle), 0.0)
