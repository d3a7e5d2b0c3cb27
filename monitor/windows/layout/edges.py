"""Buckets: equal-frequency edges, fixed edges for scores and durations, cells, units of moments."""

import math

import numpy as np

from monitor.windows.kernel.sorting import distinct, in_order
from monitor.windows.layout.compact_edges import plain
from monitor.windows.layout.layout import (
    FIRST,
    FIRST_LABEL,
    LARGEST,
    MINUS_INFINITY,
    NEW,
    Column,
    ColumnKind,
    Floats,
)

MOST_BUCKETS = 1000
CELLS = 10
LABEL_CELLS = 18
MOST_LABELS = 256
MOST_KNOWN = 65_536
_FINE_EXPONENT = 12  # moments are counted in 2**-12 of a standard deviation
_LARGEST_ORIGIN = 2.0**50
_HALF = 0.5 * (1 + 2.0**-20)
"""Half of a step of float32, slightly increased because the half itself is rounded."""
_MIN_STEPS, _MIN_STEPS_OF_VALUES = 2.0, 512.0
"""Minimum distance, in steps of float32, to the next lower value; larger where each bucket holds one value."""
_FINE_STEPS, _SHORT_LIMIT = 1024.0, 2.0**14
"""Multiples of 1/1024 below this limit fit into the 24 bits of float32."""
_SMALLEST_FLOAT32, _LARGEST_FLOAT32 = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max) / 2
_WIDE_UNITS = 4  # minimum distance of two edges, in units, to move the upper one


def numbers(name: str, values: np.ndarray, kind: ColumnKind = ColumnKind.NUMBER) -> Column:
    """Equal-frequency buckets of the finite values; one bucket per value if there are at most 1,000 distinct values."""
    ordered = in_order(values)
    ordered = ordered[slice(*np.searchsorted(ordered, [-LARGEST, np.inf]))]
    if ordered.size == 0:
        return Column(
            name,
            ColumnKind.EMPTY,
            bounds=plain(np.array([0.0, np.nextafter(0.0, 1.0)])),
            cells=(0, MINUS_INFINITY),
        )
    unit, origin = moment_unit(ordered)
    lower = _lower_edges(ordered, unit)
    first = np.searchsorted(ordered, lower)
    edges = np.append(_with_rounding(lower, ordered, first), _beyond(ordered[-1]))
    masses = np.diff(np.append(first, ordered.size)).astype(float)
    within = _within(_means(ordered, first, masses, unit), edges)
    return Column(
        name,
        kind,
        bounds=plain(edges),
        cells=number_cells(masses),
        unit=unit,
        origin=origin,
        within=within,
    )


def score(name: str, buckets: int = 100) -> Column:
    """Equal buckets on [0, 1], the last one closed; moments in 2**-16."""
    edges = np.arange(buckets + 1) / buckets
    edges[-1] = np.nextafter(1.0, 2.0)
    return Column(
        name, ColumnKind.SCORE, bounds=plain(edges), cells=number_cells(np.ones(buckets)), unit=2.0**-16
    )


def odds_score(name: str, width: float = 0.04, limit: float = 12.0) -> Column:
    """Probabilities in buckets of equal width in log-odds: fine near 0 and 1, for rare classes."""
    inner = _reproducible(1 / (1 + np.exp(-np.arange(-limit, limit + width / 2, width))))
    edges = np.concatenate([[0.0], inner, [np.nextafter(1.0, 2.0)]])
    return Column(name, ColumnKind.SCORE, bounds=plain(edges), cells=(0, MINUS_INFINITY), unit=2.0**-16)


def duration(name: str, shortest: float, longest: float, width: float = 0.02) -> Column:
    """Logarithmic buckets from `shortest` to `longest` (any unit), each wider than the previous one by the factor `1 +
    width`.
    """
    steps = math.ceil(math.log(longest / shortest) / math.log1p(width))
    edges = _reproducible(shortest * (1.0 + width) ** np.arange(steps + 1))
    unit = 2.0 ** math.floor(math.log2(shortest) - 4)
    return Column(
        name, ColumnKind.DURATION, bounds=plain(edges), cells=number_cells(np.ones(steps)), unit=unit
    )


def _reproducible(edges: np.ndarray) -> Floats:
    """The edges rounded to float32: powers and exponentials differ in the last bits from processor to processor, and
    profiles with other edges cannot be added.
    """
    return np.asarray(edges.astype(np.float32), np.float64)


def number_cells(masses: np.ndarray) -> tuple[int, ...]:
    """Starts of the missing cell and of at most ten cells of about equal mass, the outer ones open.

    With at most ten buckets, each is a cell, and so are all values below and all above. Otherwise a baseline with one
    value would have a single cell that no value could leave.
    """
    if masses.size <= CELLS:
        return (0, MINUS_INFINITY, *range(FIRST, FIRST + masses.size + 1))
    before = np.concatenate([[0.0], np.cumsum(masses)[:-1]])
    targets = masses.sum() * np.arange(1, CELLS) / CELLS
    nearest = np.abs(before[:, None] - targets[None, :]).argmin(axis=0)
    starts = distinct(nearest[nearest > 0]) + FIRST
    return (0, MINUS_INFINITY, *(int(start) for start in starts))


def label_cells(labels: int) -> tuple[int, ...]:
    """Starts of the cells of a label column: missing, new, the most frequent labels, and all others together."""
    separate = min(labels, LABEL_CELLS)
    return (0, NEW, *range(FIRST_LABEL, FIRST_LABEL + separate + 1))


def moment_unit(ordered: np.ndarray) -> tuple[float, float]:
    """The unit of moments, a power of two of about 2**-12 standard deviations, and their origin in units."""
    middle = float(ordered[ordered.size // 2])
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(_ranked(ordered))) or float(np.std(ordered))
    if not math.isfinite(spread):  # squares of numbers as large as these overflow
        largest = float(max(-ordered[0], ordered[-1]))
        spread = float(np.std(ordered / largest)) * largest
    if spread <= 0:
        spread = abs(middle) or 1.0
    exponent = min(max(math.frexp(spread)[1] - 1 - _FINE_EXPONENT, -1000), 1000)
    while abs(middle) / 2.0**exponent > _LARGEST_ORIGIN and exponent < 1000:
        exponent += 1
    unit = 2.0**exponent
    return unit, float(np.rint(middle / unit))


def _ranked(ordered: np.ndarray) -> Floats:
    """The values at 1,000 evenly spaced ranks, the lowest first."""
    return ordered[np.arange(MOST_BUCKETS) * ordered.size // MOST_BUCKETS]


def _means(ordered: np.ndarray, first: np.ndarray, masses: np.ndarray, unit: float) -> Floats:
    """The mean of each bucket's values, computed in units if their sum could exceed float64."""
    if max(-ordered[0], ordered[-1]) < LARGEST / ordered.size:
        return np.asarray(np.add.reduceat(ordered, first) / masses)
    return np.asarray(np.add.reduceat(ordered * (1 / unit), first) / masses * unit)


def _within(means: Floats, edges: Floats) -> np.ndarray:
    """The position of the mean of each bucket's values between its edges, 0 to 255."""
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


def _with_rounding(lower: Floats, ordered: Floats, first: np.ndarray) -> Floats:
    """The edges; those that are values of the baseline are moved down by half of a step of float32.

    The same values may arrive as float32 in one place and as float64 in another, and rounding must not move them over
    an edge. An edge is not moved if float32 represents it exactly, or if another value is too near.
    """
    before = np.where(first > 0, ordered[np.maximum(first - 1, 0)], -np.inf)
    is_value = ordered[np.minimum(first, ordered.size - 1)] == lower
    min_steps = _MIN_STEPS_OF_VALUES if bool(is_value.all()) else _MIN_STEPS
    with np.errstate(over="ignore", invalid="ignore"):
        step = _step(lower)
        moved = is_value & (step > 0) & (lower - before > min_steps * step)
    return np.where(moved, lower - _HALF * np.where(moved, step, 0.0), lower)


def _beyond(highest: float) -> float:
    """An edge above the highest value, also after rounding to float32."""
    with np.errstate(over="ignore"):
        step = float(_step(np.array([highest]))[0])
        return float(max(np.nextafter(highest, np.inf), highest + _HALF * step))


def _step(values: Floats) -> Floats:
    """The distance from each value to the next float32; 0 for values that float32 represents exactly or cannot hold,
    shape (n,).
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        size = np.abs(values)
        is_exact = values * _FINE_STEPS == np.rint(values * _FINE_STEPS)
        is_in_range = (size >= _SMALLEST_FLOAT32) & (size < _LARGEST_FLOAT32)
        step = np.spacing(np.where(is_in_range, size, 1.0).astype(np.float32)).astype(np.float64)
        return np.where(is_in_range & ~(is_exact & (size < _SHORT_LIMIT)), step, 0.0)


def _between_cells(lower: Floats, unit: float) -> Floats:
    """Move the edges down, by less than two units, to a boundary between cells of `monitor.windows.kernel.grid`.

    No cell then contains an edge. The lowest edge and the deciles, which binned distances use, are not moved; nor are
    edges that are close to the one below.
    """
    with np.errstate(over="ignore"):
        steps = lower / unit
        moved = (2.0 * np.floor((steps + 0.5) / 2.0) - 0.5) * unit  # `rint` rounds ties to the even number
        is_wide = np.diff(lower, prepend=lower[0]) >= _WIDE_UNITS * unit
    is_wide[:: MOST_BUCKETS // CELLS] = False
    return np.where(is_wide & (np.abs(steps) < _LARGEST_ORIGIN), moved, lower)
