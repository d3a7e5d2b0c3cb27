"""The model of a column: cells with probabilities, from which values are drawn. Each cell stands for at least k rows.

A cell is missing, one value or label that at least k rows have, or a range of numbers. Labels that fewer rows have are
one cell, `other`, or none if even together they are fewer. The smallest and largest k numbers set the outer limits, so
that no extreme value is shown.
"""

from dataclasses import dataclass

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
OTHER = "other"
MOST_RANGES = 200
"""Ranges of a column of numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of a column in ascending order, after the missing values.

    `shares` are their probabilities, shape (cells + 1,), the first that of a missing value. Of numbers, cell i is the
    range `low[i]` to `high[i]`, or one value if both are equal; of labels, `labels[i]`. `rare` is the number of values
    or rows that are not reproduced. `whole` if all numbers are whole.
    """

    shares: Floats
    low: Floats
    high: Floats
    labels: tuple[str, ...] = ()
    rare: int = 0
    whole: bool = False

    @property
    def is_continuous(self) -> bool:
        """Whether values are drawn from ranges."""
        return bool(np.any(self.high > self.low))

    def draw(self, chance: Floats) -> tuple[np.ndarray, np.ndarray]:
        """Values for uniform numbers in [0, 1): (numbers or positions of labels, which are missing), shape (rows,)."""
        ends = np.cumsum(self.shares)
        cell = np.minimum(np.searchsorted(ends, chance * ends[-1], side="right"), len(ends) - 1)
        missing = (cell == 0) | (self.shares[cell] == 0)
        at = np.maximum(cell - 1, 0)
        if self.labels:
            return at, missing
        begins = ends[cell] - self.shares[cell]
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.clip((chance * ends[-1] - begins) / self.shares[cell], 0.0, 1.0)
        if not len(self.low):
            return np.zeros(len(chance)), np.ones(len(chance), bool)
        low, high = self.low[at], self.high[at]
        values = np.where(high > low, low + np.nan_to_num(part) * (high - low), low)
        return (np.rint(values) if self.whole else values), missing


def of_numbers(values: Floats, missing: int, k: int) -> Cells:
    """The cells of finite numbers: values of at least k rows by themselves, all others in ranges of at least k rows."""
    distinct, counts = np.unique(values, return_counts=True)
    is_atom = counts >= k
    atoms, weights = distinct[is_atom], counts[is_atom].astype(float)
    others = np.sort(values[np.isin(values, atoms, invert=True)]) if len(atoms) else np.sort(values)
    low, high, share = _ranges(others, k)
    lows, highs = np.concatenate([atoms, low]), np.concatenate([atoms, high])
    shares = np.concatenate([weights, share])
    order = np.argsort((lows + highs) / 2, kind="stable")
    gone = missing if missing >= k else 0
    whole = bool(len(values)) and bool(np.all(values == np.rint(values)))
    rare = len(others) if not len(low) else 0
    return Cells(np.concatenate([[float(gone)], shares[order]]), lows[order], highs[order], (), rare, whole)


def of_labels(labels: list[str], counts: Floats, missing: int, k: int) -> Cells:
    """The cells of labels that at least k rows have, the most frequent first, and of all others together."""
    order = sorted(range(len(labels)), key=lambda at: (-counts[at], labels[at]))
    kept = [at for at in order if counts[at] >= k]
    rare = [at for at in order if counts[at] < k]
    rest = float(sum(counts[at] for at in rare))
    names = [labels[at] for at in kept]
    shares = [float(missing) if missing >= k else 0.0, *(float(counts[at]) for at in kept)]
    if rest >= k:
        names.append(_free(OTHER, set(labels)))
        shares.append(rest)
    nothing = np.empty(0)
    return Cells(np.array(shares), nothing, nothing, tuple(names) or ("",), len(rare))


def _ranges(values: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Ranges of at least k of the sorted values: lower limits, upper limits, rows. None if there are fewer than 2k.

    The k smallest and the k largest values only move the limits inwards.
    """
    if len(values) < 2 * k:
        return np.empty(0), np.empty(0), np.empty(0)
    inner = values[k - 1 : len(values) - k + 1]
    count = int(max(1, min(MOST_RANGES, len(values) // k)))
    edges = np.unique(np.quantile(inner, np.linspace(0, 1, count + 1)))
    if len(edges) < 2:
        return np.empty(0), np.empty(0), np.empty(0)
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(places, minlength=len(edges) - 1).astype(float)
    return _merged(edges, rows, k)


def _merged(edges: Floats, rows: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Neighbouring ranges joined until each has at least k rows."""
    low, high, share = [], [], []
    start, total = edges[0], 0.0
    for at, some in enumerate(rows):
        total += some
        if total >= k:
            low.append(start)
            high.append(edges[at + 1])
            share.append(total)
            start, total = edges[at + 1], 0.0
    if total and share:
        high[-1] = edges[-1]
        share[-1] += total
    return np.array(low), np.array(high), np.array(share)


def merged_ranges(edges: Floats, rows: Floats, k: int) -> Cells:
    """The cells of a histogram with these edges, shape (buckets + 1,), and rows, shape (buckets,)."""
    low, high, share = _merged(edges, rows, k)
    return Cells(np.concatenate([[0.0], share]), low, high)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
