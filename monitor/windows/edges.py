"""Buckets from values: equal-frequency edges, fixed edges for scores and durations, cells, units of moments."""

import math

import numpy as np

from monitor.windows.layout import FIRST, FIRST_LABEL, LARGEST, MINUS_INFINITY, NEW, Column, Floats, Kind
from monitor.windows.order import distinct, in_order

MOST_BUCKETS = 1000
CELLS = 10
LABEL_CELLS = 18
MOST_LABELS = 256
MOST_KNOWN = 65_536
_FINE = 12  # moments are counted in 2**-12 of a standard deviation
_LARGEST_ORIGIN = 2.0**50
_WIDE = 4  # units between two edges from which on the upper one may be moved


def numbers(name: str, values: np.ndarray, kind: Kind = Kind.NUMBER) -> Column:
    """Equal-frequency buckets of the finite values; one bucket a value where there are at most 1,000 of them."""
    ordered = in_order(values)
    ordered = ordered[slice(*np.searchsorted(ordered, [-LARGEST, np.inf]))]
    if ordered.size == 0:
        return Column(
            name, Kind.EMPTY, edges=np.array([0.0, np.nextafter(0.0, 1.0)]), cells=(0, MINUS_INFINITY)
        )
    unit, origin = moment_unit(ordered)
    lower = _lower_edges(ordered, unit)
    with np.errstate(over="ignore"):
        edges = np.append(lower, np.nextafter(ordered[-1], np.inf))
    first = np.searchsorted(ordered, lower)
    masses = np.diff(np.append(first, ordered.size)).astype(float)
    within = _within(_means(ordered, first, masses, unit), edges)
    return Column(
        name, kind, edges=edges, cells=number_cells(masses), unit=unit, origin=origin, within=within
    )


def score(name: str, buckets: int = 100) -> Column:
    """Equal buckets on [0, 1], the last one closed; moments in 2**-16."""
    edges = np.arange(buckets + 1) / buckets
    edges[-1] = np.nextafter(1.0, 2.0)
    return Column(name, Kind.SCORE, edges=edges, cells=number_cells(np.ones(buckets)), unit=2.0**-16)


def odds_score(name: str, width: float = 0.04, limit: float = 12.0) -> Column:
    """Probabilities in buckets of equal width in log-odds: fine near 0 and 1, where rare classes live."""
    inner = 1 / (1 + np.exp(-np.arange(-limit, limit + width / 2, width)))
    edges = np.concatenate([[0.0], inner, [np.nextafter(1.0, 2.0)]])
    return Column(name, Kind.SCORE, edges=edges, cells=(0, MINUS_INFINITY), unit=2.0**-16)


def duration(name: str, shortest: float, longest: float, width: float = 0.02) -> Column:
    """Logarithmic buckets, each `width` wider than the one before, from `shortest` to `longest` (any unit)."""
    steps = math.ceil(math.log(longest / shortest) / math.log1p(width))
    edges = np.asarray(shortest * (1.0 + width) ** np.arange(steps + 1), np.float64)
    unit = 2.0 ** math.floor(math.log2(shortest) - 4)
    return Column(name, Kind.DURATION, edges=edges, cells=number_cells(np.ones(steps)), unit=unit)


def number_cells(masses: np.ndarray) -> tuple[int, ...]:
    """Starts of the missing cell and of at most ten cells of about equal mass, the outer ones open.

    Where there are no more buckets than that, each is a cell, and so are all values below and all above: a baseline
    of one value would otherwise have a single cell, which nothing could leave.
    """
    if masses.size <= CELLS:
        return (0, MINUS_INFINITY, *range(FIRST, FIRST + masses.size + 1))
    before = np.concatenate([[0.0], np.cumsum(masses)[:-1]])
    targets = masses.sum() * np.arange(1, CELLS) / CELLS
    nearest = np.abs(before[:, None] - targets[None, :]).argmin(axis=0)
    starts = distinct(nearest[nearest > 0]) + FIRST
    return (0, MINUS_INFINITY, *(int(start) for start in starts))


def label_cells(labels: int) -> tuple[int, ...]:
    """Starts of the cells of a label column: missing, new, the most frequent labels, all others together."""
    apart = min(labels, LABEL_CELLS)
    return (0, NEW, *range(FIRST_LABEL, FIRST_LABEL + apart + 1))


def moment_unit(ordered: np.ndarray) -> tuple[float, float]:
    """The power of two, about 2**-12 standard deviations, that moments are counted in, and their origin in it."""
    middle = float(ordered[ordered.size // 2])
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(_ranked(ordered))) or float(np.std(ordered))
    if not math.isfinite(spread):  # squares of numbers as large as these overflow
        largest = float(max(-ordered[0], ordered[-1]))
        spread = float(np.std(ordered / largest)) * largest
    if spread <= 0:
        spread = abs(middle) or 1.0
    exponent = min(max(math.frexp(spread)[1] - 1 - _FINE, -1000), 1000)
    while abs(middle) / 2.0**exponent > _LARGEST_ORIGIN and exponent < 1000:
        exponent += 1
    unit = 2.0**exponent
    return unit, float(np.rint(middle / unit))


def _ranked(ordered: np.ndarray) -> Floats:
    """The values at 1,000 evenly spaced ranks, the lowest first."""
    return ordered[np.arange(MOST_BUCKETS) * ordered.size // MOST_BUCKETS]


def _means(ordered: np.ndarray, first: np.ndarray, masses: np.ndarray, unit: float) -> Floats:
    """The mean of each bucket's values; counted in units where their sum could be beyond float64."""
    if max(-ordered[0], ordered[-1]) < LARGEST / ordered.size:
        return np.asarray(np.add.reduceat(ordered, first) / masses)
    return np.asarray(np.add.reduceat(ordered * (1 / unit), first) / masses * unit)


def _within(means: Floats, edges: Floats) -> np.ndarray:
    """Where the mean of each bucket's values lies between its edges, 0 to 255."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        share = (means - edges[:-1]) / np.diff(edges)
    return np.rint(np.clip(np.nan_to_num(share, nan=0.5), 0.0, 1.0) * 255).astype(np.uint8)


def _lower_edges(ordered: np.ndarray, unit: float) -> Floats:
    """Lower edges of the buckets."""
    ranked = _ranked(ordered)
    if ordered.size > MOST_BUCKETS and ordered[-1] > ranked[-1] and bool((np.diff(ranked) > 0).all()):
        return _between_cells(ranked, unit)
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if first.size <= MOST_BUCKETS:
        return ordered[first]
    return _between_cells(distinct(ranked), unit)


def _between_cells(lower: Floats, unit: float) -> Floats:
    """The edges moved down to where one multiple of the unit begins to be the nearest one, by less than two units.

    No cell of `monitor.windows.grid` is then on both sides of an edge. The lowest edge and the deciles, which binned
    distances rest on, stay where they are, and so do edges that are close to the one below them.
    """
    with np.errstate(over="ignore"):
        steps = lower / unit
        moved = (
            2.0 * np.floor((steps + 0.5) / 2.0) - 0.5
        ) * unit  # an even number wins where two are as near
        is_wide = np.diff(lower, prepend=lower[0]) >= _WIDE * unit
    is_wide[:: MOST_BUCKETS // CELLS] = False
    return np.where(is_wide & (np.abs(steps) < _LARGEST_ORIGIN), moved, lower)
