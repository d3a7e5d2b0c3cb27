"""The counts of a window or a baseline, prepared for the distances: cells, ordered values, means, deviations."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.metrics.drift.distance_plan import DistancePlan
from monitor.windows.kernel.exact_sums import WEIGHT_UNIT
from monitor.windows.layout.compact_counts import Kept
from monitor.windows.profile import Slice

_LIMB = 2.0**32


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ComparedCounts:
    """One side of a comparison: the window or the baseline.

    Shapes: `kept` (places,), `cells` (cells,), `rows` (columns,); `values`, `finite`, `means`, `deviations` (number
    columns,). `design` is Kish's design effect of the row weights.
    """

    kept: Kept
    cells: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    finite: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    design: float


def counts_of(plan: DistancePlan, part: Slice) -> ComparedCounts:
    """Prepare the counts of a window or a baseline."""
    counts = part.counts
    cells = plan.cells(counts)
    values = plan.values(counts)
    finite = values - counts[plan.ends[::2]] - counts[plan.ends[1::2] - 1]  # without those that are infinite
    means, deviations = _moments(plan, part, finite)
    return ComparedCounts(
        part.kept, cells, plan.sums(cells), values, finite, means, deviations, max(part.design, 1.0)
    )


_BASELINES: WeakKeyDictionary[Slice, ComparedCounts] = WeakKeyDictionary()


def baseline_counts_of(plan: DistancePlan, part: Slice) -> ComparedCounts:
    """Return the baseline's prepared counts, computed once per baseline."""
    side = _BASELINES.get(part)
    if side is None:
        side = _BASELINES[part] = counts_of(plan, part)
    return side


def _moments(plan: DistancePlan, part: Slice, finite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sums = part.sums[plan.moments].astype(np.float64) * WEIGHT_UNIT
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = sums[:, 0] / finite
        squares = (sums[:, 1] * _LIMB + sums[:, 2]) / finite
        deviations = np.sqrt(np.maximum(squares - mean**2, 0.0)) * plan.units
        means = (mean + plan.origins) * plan.units
    return np.nan_to_num(means), np.nan_to_num(deviations)
