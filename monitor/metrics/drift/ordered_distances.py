"""Kolmogorov-Smirnov, Wasserstein, mean shift and spread shift of number columns, from the counts of ordered buckets.

All buckets between minus and plus infinity are compared; missing values are left out.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.drift.compared_counts import ComparedCounts
from monitor.metrics.drift.distance_plan import DistancePlan
from monitor.metrics.metric import MetricInfo
from monitor.records import Better

_WHERE = ("feature", "output")
KOLMOGOROV_SMIRNOV = MetricInfo(
    "kolmogorov_smirnov", "", Better.LOWER, "Largest gap between the two distribution functions, 0 to 1.", _WHERE,
    "largest |F - G| at the edges of up to 1,000 buckets", "a baseline; numbers", "Smirnov 1948; Stephens 1970",
)  # fmt: skip
WASSERSTEIN = MetricInfo(
    "wasserstein", "standard deviations", Better.LOWER,
    "Mean distance that values moved, in the baseline's standard deviations.", _WHERE,
    "area between the distribution functions / standard deviation, and at least |mean shift|",
    "a baseline; numbers",
)  # fmt: skip
MEAN_SHIFT = MetricInfo(
    "mean_shift", "standard deviations", Better.NONE, "Change of the mean, in the baseline's standard deviations.",
    _WHERE, "(mean - baseline's mean) / baseline's standard deviation", "a baseline; numbers",
)  # fmt: skip
SPREAD_SHIFT = MetricInfo(
    "spread_shift", "share", Better.NONE,
    "Relative change of the standard deviation: above 0 wider, below 0 narrower.", _WHERE,
    "standard deviation / baseline's - 1", "a baseline; numbers",
)  # fmt: skip
INFO = (KOLMOGOROV_SMIRNOV, WASSERSTEIN, MEAN_SHIFT, SPREAD_SHIFT)
_LEAST = 2.0**-40
"""Smaller than the smallest weight of one row: avoids a division by zero for columns without rows."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderedDistances:
    """Distances of number columns and the standard errors of their shifts, all of shape (number columns,).

    NaN where a side has no value or the baseline does not vary. `compared` marks those with values on both sides.
    """

    compared: np.ndarray
    kolmogorov_smirnov: np.ndarray
    p_value: np.ndarray
    wasserstein: np.ndarray
    mean_shift: np.ndarray
    mean_error: np.ndarray
    spread_shift: np.ndarray
    spread_error: np.ndarray


def compare(
    plan: DistancePlan, current: ComparedCounts, base: ComparedCounts, *, only_shifts: bool = False
) -> OrderedDistances:
    """Compare the values of all number columns; with `only_shifts`, the other distances are NaN."""
    if plan.first_ordered.size == 0:
        return OrderedDistances(np.empty(0, bool), *(np.empty(0) for _ in range(7)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        usable = (current.finite > 0) & (base.finite > 0) & (base.deviations > 0)
        scale = np.where(usable, base.deviations, np.nan)
        shift = (current.means - base.means) / scale
        n_rows, m_rows = current.finite / current.design, base.finite / base.design
        ratio = current.deviations / scale
        mean_error = np.sqrt(ratio**2 / n_rows + 1 / m_rows)
        spread_error = np.sqrt(ratio**2 / (2 * n_rows) + ratio**2 / (2 * m_rows))
        unknown = np.full(len(shift), np.nan)
        largest, area = (unknown, unknown) if only_shifts else _gaps(plan, current, base)
        compared = (current.values > 0) & (base.values > 0)
        distance = np.where(compared, largest, np.nan)
        moved = area * plan.units / scale
        rows = current.values / current.design, base.values / base.design
        p_value = unknown if only_shifts else intervals.kolmogorov(np.nan_to_num(distance), *rows)
    return OrderedDistances(
        compared=compared,
        kolmogorov_smirnov=distance,
        p_value=p_value,
        wasserstein=np.fmax(moved, np.abs(shift)),
        mean_shift=shift,
        mean_error=mean_error,
        spread_shift=ratio - 1,
        spread_error=spread_error,
    )


def _gaps(plan: DistancePlan, current: ComparedCounts, base: ComparedCounts) -> tuple[np.ndarray, np.ndarray]:
    """The largest gap between the two distribution functions, and the area between them in units, per column."""
    gaps = _shares(plan, current)
    gaps -= _shares_of_baseline(plan, base)
    gaps = _running(gaps, plan.first_ordered, plan.lengths)
    np.abs(gaps, out=gaps)
    largest = np.maximum.reduceat(gaps, plan.first_ordered)
    gaps *= plan.widths()
    return largest, np.add.reduceat(gaps, plan.first_ordered)


def _shares(plan: DistancePlan, side: ComparedCounts) -> np.ndarray:
    """The share of each ordered place in the values of its column, shape (ordered places,)."""
    shares = plan.order(side.kept)
    shares /= np.repeat(np.maximum(side.values, _LEAST), plan.lengths)
    return shares


_shares_of_baseline = lru_cache(maxsize=1)(_shares)
"""Those of the baseline that was used last: the windows of a model are measured one after the other. With 50 features
they take 320 kB.
"""


def _running(steps: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return cumulative sums that start at zero for each column."""
    total = np.cumsum(steps)
    before = np.where(first > 0, total[first - 1], 0.0)
    total -= np.repeat(before, lengths)
    return total
