"""Sums of floats that do not depend on the order of adding: integers in units of 2**-1126.

A float64 is a whole multiple of that unit, so a Python integer holds any sum of them without rounding. Merging
profiles in any order, on any machine, therefore gives the same bits.
"""

import numpy as np

_EXPONENT = 1126  # frexp of the smallest subnormal gives 2**-1073 times a mantissa of 53 bits
_HALF = 26


def exact_sum(values: np.ndarray) -> int:
    """The sum of finite float64 values, exactly, in units of 2**-1126."""
    if values.size == 0:
        return 0
    fractions, exponents = np.frexp(values)
    mantissas = (fractions * 2.0**53).astype(np.int64)
    shifts, groups = np.unique(exponents, return_inverse=True)
    # Halves of 27 bits: their sums stay exact in float64 for 2**26 rows.
    high = np.bincount(groups, weights=(mantissas >> _HALF).astype(np.float64))
    low = np.bincount(groups, weights=(mantissas & ((1 << _HALF) - 1)).astype(np.float64))
    total = 0
    for shift, upper, lower in zip(shifts.tolist(), high.tolist(), low.tolist(), strict=True):
        total += ((int(upper) << _HALF) + int(lower)) << (shift - 53 + _EXPONENT)
    return total


def to_float(total: int) -> float:
    """The nearest float64."""
    try:
        return total / (1 << _EXPONENT)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


def pack(total: int) -> tuple[int, bytes]:
    """Compact form: how many zero bits stand at the end, and the rest."""
    if total == 0:
        return 0, b""
    zeros = (total & -total).bit_length() - 1
    rest = total >> zeros
    return zeros, rest.to_bytes(rest.bit_length() // 8 + 1, "little", signed=True)


def unpack(zeros: int, rest: bytes) -> int:
    """What `pack` was given."""
    return int.from_bytes(rest, "little", signed=True) << zeros
