"""The distribution of one column before and after, prepared for a picture: bins, quantiles, shares of labels."""

import math
from dataclasses import dataclass

import numpy as np

from monitor.metrics.intervals import Z
from monitor.visible import counted
from monitor.windows.layout.layout import ABOVE, BELOW, FIRST_LABEL, NEW, RARE, Floats
from monitor.windows.profile import ColumnCounts

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 32
_TAIL = 0.005
"""Share of the values at each end that is not drawn."""
_MOST_LABELS = 10
_MOST_ATOMS = 12
"""Integers with at most this many values are drawn as labels."""


@dataclass(frozen=True, slots=True)
class NumberSide:
    """Numbers of one table: shares of the bins, shape (BINS,), and the quantiles, shape (7,): minimum, `QUANTILES`,
    maximum.
    """

    n: float
    missing: float
    mean: float | None
    bins: Floats
    quantiles: Floats


@dataclass(frozen=True, slots=True)
class NumberHistograms:
    """Numbers before and after, in equal bins from `low` to `high`."""

    low: float
    high: float
    before: NumberSide
    after: NumberSide


@dataclass(frozen=True, slots=True)
class LabelShares:
    """Shares of labels before and after, most frequent first; `n_before` and `n_after` are rows with a value."""

    names: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    n_before: float
    n_after: float
    missing: tuple[float, float]

    @property
    def largest_change(self) -> int:
        """The index of the label whose share changed most."""
        return max(range(len(self.names)), key=lambda i: abs(self.after[i] - self.before[i]))

    def interval(self, place: int) -> tuple[float, float]:
        """The 95 % interval of the change of a share (Agresti and Caffo)."""
        sides = ((self.before[place], self.n_before), (self.after[place], self.n_after))
        (p, n), (q, m) = [((share * count + 1) / (count + 2), count + 2) for share, count in sides]
        margin = Z * math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
        return q - p - margin, q - p + margin


def distribution(before: ColumnCounts, after: ColumnCounts) -> NumberHistograms | LabelShares | None:
    """The distribution of a column; None if neither table has a value."""
    if not before.n and not after.n:
        return None
    column = before.column
    if column.labelled:
        return _labels(column.labels, before, after)
    if not before.finite and not after.finite:
        return None
    if column.atoms and column.buckets <= _MOST_ATOMS:
        return _labels(tuple(f"{value:g}" for value in column.edges[:-1]), before, after)
    curves = [_cumulative(one) for one in (before, after)]
    ends = [np.interp((_TAIL, 1 - _TAIL), shares, values) for values, shares in curves if values.size]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    if not high > low:
        margin = max(abs(low) * 0.01, 0.5)
        low, high = low - margin, high + margin
    bins = np.linspace(low, high, BINS + 1)
    sides = [_side(one, *curve, bins) for one, curve in zip((before, after), curves, strict=True)]
    return NumberHistograms(low, high, *sides)


def _cumulative(counts: ColumnCounts) -> tuple[Floats, Floats]:
    """Values in order, and the share of the values up to each of them, of equal shape; empty without values."""
    n = counts.finite
    if not n:
        return np.empty(0), np.empty(0)
    edges = counts.column.edges
    lowest, highest = counts.extremes
    values = np.concatenate([[min(lowest, edges[0])], edges, [max(highest, edges[-1])]])
    masses = np.concatenate([[counts.counts[BELOW]], counts.regular, [counts.counts[ABOVE]]])
    return np.clip(values, lowest, highest), np.concatenate([[0.0], np.cumsum(masses) / n])


def _side(counts: ColumnCounts, values: Floats, shares: Floats, bins: Floats) -> NumberSide:
    missing = counts.missing / counts.rows if counts.rows else 0.0
    if not values.size:
        return NumberSide(0.0, missing, None, np.zeros(BINS), np.full(len(QUANTILES) + 2, np.nan))
    increasing = shares + np.arange(shares.size) * 1e-15
    inner = np.interp(QUANTILES, increasing, values)
    quantiles = np.concatenate([[counts.extremes[0]], inner, [counts.extremes[1]]])
    return NumberSide(
        counts.finite, missing, counts.mean, np.diff(np.interp(bins, values, shares)), quantiles
    )


def _labels(names: tuple[str, ...], before: ColumnCounts, after: ColumnCounts) -> LabelShares:
    """The most frequent labels of both tables, then new, rare and all others together."""
    is_text = before.column.labelled
    shares = np.zeros((2, len(names)))
    tail = np.zeros((2, 2))
    for row, one in enumerate((before, after)):
        n = one.n or 1.0
        shares[row] = one.regular / n
        if is_text:
            tail[row] = one.counts[NEW] / n, one.counts[FIRST_LABEL:][RARE] / n
        else:
            tail[row] = 0.0, max(0.0, 1.0 - shares[row].sum()) if one.n else 0.0
    order = np.argsort(-shares.max(axis=0), kind="stable") if is_text else np.arange(len(names))
    most = _MOST_LABELS if is_text else _MOST_ATOMS
    first, others = order[:most], order[most:]
    table = [(names[i], *shares[:, i]) for i in first]
    if len(others):
        table.append((counted(len(others), "other label"), *shares[:, others].sum(axis=1)))
    outside = ("labels not in the reference", "rare labels") if is_text else ("", "other values")
    table += [(name, *tail[:, i]) for i, name in enumerate(outside) if tail[:, i].max() > 1e-6]
    missing = tuple(one.missing / one.rows if one.rows else 0.0 for one in (before, after))
    return LabelShares(
        tuple(str(name) for name, _, _ in table),
        tuple(float(share) for _, share, _ in table),
        tuple(float(share) for _, _, share in table),
        before.n,
        after.n,
        (missing[0], missing[1]),
    )
