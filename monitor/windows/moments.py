"""Sums, squares and extremes of a column's values, added exactly.

Moments are sums of integers (whole multiples of the column's unit), so they add to the same bits in any order.
"""

from dataclasses import dataclass

import numpy as np

from monitor.windows.layout import Column, Floats

LIMIT = 2.0**28
"""Moments clip here, in units: more than 30,000 standard deviations from the origin."""
EXACT = 2.0**53
"""Sums of integers below this are exact in float64."""
LOW_BITS = 32
"""Squares are summed in two numbers: so many low bits, and the rest."""
WEIGHT_UNIT = 1.0 / 1024.0
"""Weights are rounded to this, so that sums of them are exact."""


@dataclass(frozen=True, slots=True)
class Target:
    """The arrays of a slice that a kernel adds to."""

    counts: Floats
    sums: np.ndarray
    extremes: Floats


def add_moments(
    column: Column, finite: Floats, same: float, into: Target, each: Floats | None = None
) -> None:
    """Add sum, squares and extremes of finite values, which are in order unless they have weights."""
    if finite.size == 0:
        return
    ends = (finite[0], finite[-1]) if each is None else (finite.min(), finite.max())
    lowest, highest = float(ends[0]), float(ends[1])
    extremes = into.extremes[column.moment]
    extremes[0], extremes[1] = min(extremes[0], lowest), max(extremes[1], highest)
    with np.errstate(over="ignore"):
        steps = finite * (1.0 / column.unit)
        np.rint(steps, out=steps)
        steps -= column.origin
        farthest = (
            max(abs(lowest / column.unit - column.origin), abs(highest / column.unit - column.origin)) + 1
        )
    if farthest >= LIMIT:
        np.clip(steps, -LIMIT, LIMIT, out=steps)
        farthest = LIMIT
    sums = into.sums[column.moment]
    scale = round(same / WEIGHT_UNIT)
    # einsum, not dot: starting BLAS threads costs more than the sum.
    if each is None and farthest * farthest * steps.size < EXACT:
        total, squares = int(steps.sum()) * scale, int(np.einsum("i,i->", steps, steps)) * scale
    else:
        factors = None if each is None else np.rint(each / WEIGHT_UNIT)
        total, squares = _exact_moments(steps, factors, scale if each is None else 1)
    add_to_sums(sums, total, squares)


def _exact_moments(steps: Floats, factors: Floats | None, scale: int) -> tuple[int, int]:
    """Sums of large steps, by halves of 16 bits, so that no partial sum leaves what int64 holds."""
    whole = steps.astype(np.int64)
    high, low = whole >> 16, whole & 0xFFFF
    weight = np.ones(1, np.int64) if factors is None else factors.astype(np.int64)
    total = int((whole * weight).sum())
    squares = (int((high * high * weight).sum()) << 32) + (int((high * low * weight).sum()) << 17)
    squares += int((low * low * weight).sum())
    return total * scale, squares * scale


def add_to_sums(sums: np.ndarray, total: int, squares: int) -> None:
    """Add to one row of moments: total, and squares as two numbers of 32 low bits and the rest."""
    sums[0] += total
    low = int(sums[2]) + (squares & ((1 << LOW_BITS) - 1))
    sums[1] += (squares >> LOW_BITS) + (low >> LOW_BITS)
    sums[2] = low & ((1 << LOW_BITS) - 1)


def carry(sums: np.ndarray) -> np.ndarray:
    """Bring rows of added moments, shape (k, 3), back to their one form."""
    sums[:, 1] += sums[:, 2] >> LOW_BITS
    sums[:, 2] &= (1 << LOW_BITS) - 1
    return sums
