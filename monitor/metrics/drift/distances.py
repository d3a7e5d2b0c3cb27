"""The distances between a window and its baseline, for all columns at once, from counts.

Binned distances compare cells: missing, the deciles of the baseline (or its most frequent labels), new labels. KS and
Wasserstein compare all buckets of number columns, without missing values.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.drift.plan import Plan
from monitor.windows.layout import MINUS_INFINITY
from monitor.windows.moments import WEIGHT_UNIT
from monitor.windows.profile import Slice, as_floats

_HALF = 0.5  # added to every cell: a zero is then no infinity, and small samples are less biased
_LIMB = 2.0**32
_LEAST = 2.0**-40  # divides no rows without a warning; less than the least weight of one


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Side:
    """What one side brings to the comparison. Shapes: `kept` (places,), `cells` (cells,), `rows` (columns,);
    `values`, `finite`, `means`, `deviations` (number columns,).
    """

    kept: np.ndarray
    cells: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    finite: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    design: float


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Distances over cells, one a column, and the p-value that both sides are one distribution."""

    psi: np.ndarray
    jensen_shannon: np.ndarray
    hellinger: np.ndarray
    total_variation: np.ndarray
    chi_square: np.ndarray
    degrees: np.ndarray
    p_value: np.ndarray
    expected_psi: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Distances of number columns, one each. NaN where a side has no value or the baseline does not vary."""

    kolmogorov_smirnov: np.ndarray
    p_value: np.ndarray
    wasserstein: np.ndarray
    mean_shift: np.ndarray
    mean_error: np.ndarray
    spread_shift: np.ndarray
    spread_error: np.ndarray


def side_of(plan: Plan, part: Slice) -> Side:
    """Prepare one side."""
    cells = plan.cells(part)
    order = plan.order(part.kept)
    numbers = plan.starts[plan.numeric]
    values = np.add.reduceat(order, plan.first_ordered) if numbers.size else np.empty(0)
    infinite = as_floats(part.kept[numbers + MINUS_INFINITY]) + _last_places(plan, part)
    finite = values - infinite
    means, deviations = _moments(plan, part, finite)
    return Side(part.kept, cells, plan.sums(cells), values, finite, means, deviations, max(part.design, 1.0))


_REFERENCES: WeakKeyDictionary[Slice, Side] = WeakKeyDictionary()


def reference(plan: Plan, part: Slice) -> Side:
    """The baseline's side, prepared once and kept as long as the baseline is."""
    side = _REFERENCES.get(part)
    if side is None:
        side = _REFERENCES[part] = side_of(plan, part)
    return side


def binned(plan: Plan, current: Side, base: Side) -> Binned:
    """Compare cells."""
    c, r = current.cells, base.cells
    n, m = np.maximum(current.rows, 1e-300), np.maximum(base.rows, 1e-300)
    big_n, big_m = plan.spread(n), plan.spread(m)
    p, q = c / big_n, r / big_m
    seen = (c + r) > 0
    kinds = plan.sums(seen.astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(seen, (p + q) / 2, 1.0)
        divergence = _times_log(p, middle) + _times_log(q, middle)
        # Pearson's statistic of the two-row table is n m / (n + m) times this sum over pooled shares.
        pooled = (c + r) / (big_n + big_m)
        relative = np.where(seen, (p - q) ** 2 / np.where(seen, pooled, 1.0), 0.0)
    noise = current.design / n + base.design / m
    statistic = plan.sums(relative) / noise
    degrees = np.maximum(kinds - 1, 0)
    return Binned(
        psi=_psi(plan, c, r, seen, kinds, n, m),
        jensen_shannon=np.sqrt(np.clip(plan.sums(divergence) / 2, 0, 1)),
        hellinger=np.sqrt(np.clip(1 - plan.sums(np.sqrt(p * q)), 0, 1)),
        total_variation=plan.sums(np.abs(p - q)) / 2,
        chi_square=statistic,
        degrees=degrees,
        p_value=intervals.chi_square(statistic, degrees),
        expected_psi=degrees * noise,
    )


def ordered(plan: Plan, current: Side, base: Side) -> Ordered:
    """Compare all buckets of number columns."""
    if plan.first_ordered.size == 0:
        return Ordered(*(np.empty(0) for _ in range(7)))
    n, m = current.values, base.values
    lengths = plan.lengths
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gaps = plan.order(current.kept)
        gaps /= np.repeat(np.maximum(n, _LEAST), lengths)
        usual = plan.order(base.kept)
        usual /= np.repeat(np.maximum(m, _LEAST), lengths)
        gaps -= usual
        gaps = _running(gaps, plan.first_ordered, lengths)
        np.abs(gaps, out=gaps)
        distance = np.where((n > 0) & (m > 0), np.maximum.reduceat(gaps, plan.first_ordered), np.nan)
        usable = (current.finite > 0) & (base.finite > 0) & (base.deviations > 0)
        scale = np.where(usable, base.deviations, np.nan)
        shift = (current.means - base.means) / scale
        gaps *= plan.widths
        moved = np.add.reduceat(gaps, plan.first_ordered) * plan.units / scale
        n_rows, m_rows = current.finite / current.design, base.finite / base.design
        ratio = current.deviations / scale
        mean_error = np.sqrt(ratio**2 / n_rows + 1 / m_rows)
        spread_error = np.sqrt(ratio**2 / (2 * n_rows) + ratio**2 / (2 * m_rows))
        p_value = intervals.kolmogorov(np.nan_to_num(distance), n / current.design, m / base.design)
    return Ordered(
        kolmogorov_smirnov=distance,
        p_value=p_value,
        wasserstein=np.fmax(moved, np.abs(shift)),
        mean_shift=shift,
        mean_error=mean_error,
        spread_shift=ratio - 1,
        spread_error=spread_error,
    )


def _psi(
    plan: Plan,
    c: np.ndarray,
    r: np.ndarray,
    seen: np.ndarray,
    kinds: np.ndarray,
    n: np.ndarray,
    m: np.ndarray,
) -> np.ndarray:
    p = (c + _HALF) / plan.spread(n + _HALF * kinds)
    q = (r + _HALF) / plan.spread(m + _HALF * kinds)
    return plan.sums(np.where(seen, (p - q) * np.log(p / q), 0.0))


def _times_log(p: np.ndarray, middle: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0) / middle), 0.0)


def _running(steps: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Cumulative sums that begin anew with each column."""
    total = np.cumsum(steps)
    before = np.where(first > 0, total[first - 1], 0.0)
    total -= np.repeat(before, lengths)
    return total


def _last_places(plan: Plan, part: Slice) -> np.ndarray:
    ends = plan.starts[plan.numeric] + MINUS_INFINITY + plan.lengths - 1
    return as_floats(part.kept[ends])


def _moments(plan: Plan, part: Slice, finite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sums = part.sums[plan.moments].astype(np.float64) * WEIGHT_UNIT
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = sums[:, 0] / finite
        squares = (sums[:, 1] * _LIMB + sums[:, 2]) / finite
        deviations = np.sqrt(np.maximum(squares - mean**2, 0.0)) * plan.units
        means = (mean + plan.origins) * plan.units
    return np.nan_to_num(means), np.nan_to_num(deviations)
