"""Sums that do not depend on the order of addition: exact sums of floats, and the moments of columns.

A float64 is an integer multiple of 2**-1126, so a Python integer holds any sum without rounding. Moments (sum and sum
of squares per column) are integers in units of the column. Profiles therefore merge to identical bits in any order, on
any machine.
"""

import math
from dataclasses import dataclass

import numpy as np

from monitor.windows.layout.layout import Column, Floats

_EXPONENT = 1126  # frexp of the smallest subnormal gives 2**-1073 times a mantissa of 53 bits
_HALF = 26


_MOST_SLICES = 4
_LARGEST_EXPONENT = 1000
"""Exponents above it leave no room for the power of two that cuts off the leading bits."""


def exact_sum(values: np.ndarray) -> int:
    """The exact sum of finite float64 values, in units of 2**-1126.

    The leading bits of all values are cut off at the same place, so that float64 sums them without rounding; then those
    of the rest (Rump, Ogita, Oishi 2008, "Accurate floating-point summation", part I: ExtractVector). Values of
    similar size need two or three cuts. What is left of others is summed by exponent.
    """
    total, bits = 0, values.size.bit_length()
    for _ in range(_MOST_SLICES):
        largest = max(float(values.max()), -float(values.min())) if values.size else 0.0
        if largest == 0:
            return total
        if not largest < math.ldexp(1.0, _LARGEST_EXPONENT - bits):
            break
        power = math.ldexp(1.0, math.frexp(largest)[1] + bits)
        leading = (values + power) - power
        total += _units(float(leading.sum()))
        values = values - leading
    return total + _sum_by_exponent(values[values != 0])


def _units(value: float) -> int:
    fraction, exponent = math.frexp(value)
    return int(fraction * 2.0**53) << (exponent - 53 + _EXPONENT)


def _sum_by_exponent(values: np.ndarray) -> int:
    fractions, exponents = np.frexp(values)
    mantissas = (fractions * 2.0**53).astype(np.int64)
    groups = exponents + _EXPONENT - 53
    # Halves of 27 bits: their sums stay exact in float64 for 2**26 rows.
    high = np.bincount(groups, weights=(mantissas >> _HALF).astype(np.float64))
    low = np.bincount(groups, weights=(mantissas & ((1 << _HALF) - 1)).astype(np.float64))
    total = 0
    for shift in np.flatnonzero((high != 0) | (low != 0)).tolist():
        total += ((int(high[shift]) << _HALF) + int(low[shift])) << shift
    return total


def to_float(total: int) -> float:
    """The nearest float64."""
    try:
        return total / (1 << _EXPONENT)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


def pack(total: int) -> tuple[int, bytes]:
    """Compact form: the number of trailing zero bits, and the remaining bits."""
    if total == 0:
        return 0, b""
    zeros = (total & -total).bit_length() - 1
    rest = total >> zeros
    return zeros, rest.to_bytes(rest.bit_length() // 8 + 1, "little", signed=True)


def unpack(zeros: int, rest: bytes) -> int:
    """The inverse of `pack`."""
    return int.from_bytes(rest, "little", signed=True) << zeros


LIMIT = 2.0**28
"""Limit, in units, at which moments are clipped: more than 30,000 standard deviations from the origin."""
EXACT = 2.0**53
"""Sums of integers below this are exact in float64."""
LOW_BITS = 32
"""Sums of squares are stored as two numbers: this many low bits, and the rest."""
WEIGHT_UNIT = 1.0 / 1024.0
"""Weights are rounded to this, so that sums of them are exact."""


@dataclass(frozen=True, slots=True)
class SumArrays:
    """The arrays of a slice that a kernel adds to."""

    counts: Floats
    sums: np.ndarray
    extremes: Floats


def add_moments(
    column: Column, finite: Floats, same: float, into: SumArrays, each: Floats | None = None
) -> None:
    """Add sum, sum of squares and extremes of finite values. Values without weights must be sorted."""
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
    """Sums of large steps, computed from halves of 16 bits, so that no partial sum exceeds int64."""
    whole = steps.astype(np.int64)
    high, low = whole >> 16, whole & 0xFFFF
    weight = np.ones(1, np.int64) if factors is None else factors.astype(np.int64)
    total = int((whole * weight).sum())
    squares = (int((high * high * weight).sum()) << 32) + (int((high * low * weight).sum()) << 17)
    squares += int((low * low * weight).sum())
    return total * scale, squares * scale


def add_to_sums(sums: np.ndarray, total: int, squares: int) -> None:
    """Add to one row of moments: the sum, and the sum of squares as 32 low bits and the rest."""
    sums[0] += total
    low = int(sums[2]) + (squares & ((1 << LOW_BITS) - 1))
    sums[1] += (squares >> LOW_BITS) + (low >> LOW_BITS)
    sums[2] = low & ((1 << LOW_BITS) - 1)


def carry(sums: np.ndarray) -> np.ndarray:
    """Normalize rows of added moments, shape (k, 3)."""
    sums[:, 1] += sums[:, 2] >> LOW_BITS
    sums[:, 2] &= (1 << LOW_BITS) - 1
    return sums
