"""Event times as they are sent, to µs since the epoch: one by one, or a whole column at once."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

Micros = np.ndarray[tuple[int], np.dtype[np.int64]] | list[int]
_FEW = 16
_LATEST = 9e18
"""µs that an int64 holds; what lies beyond is no time."""
_NUMBER = re.compile(r"\d{9,19}(\.\d*)?", re.ASCII)
_UTC = pa.timestamp("us", "UTC")


def micros_of(value: object) -> int | None:
    """µs from ISO 8601 (without a zone: UTC) or a number of s, ms, µs or ns, told apart by size; None if neither.

    A text of nine digits or more is such a number.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            size = abs(value)
            unit = 1e6 if size < 1e11 else 1e3 if size < 1e14 else 1 if size < 1e17 else 1e-3
            micros = round(value * unit)
            return micros if abs(micros) < _LATEST else None
    except (ValueError, OverflowError):
        pass
    return None


def column_of_micros(values: Sequence[object], now: float) -> Micros | None:
    """The same for many, missing ones being `now`; None unless all are of one kind and in the usual form."""
    if len(values) < _FEW:
        return _few(values, now)
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return np.full(len(values), int(now * 1e6), np.int64)
    if kinds == {str}:
        try:
            parsed: np.ndarray = (
                pa.array(values, pa.string()).cast(_UTC).cast(pa.int64()).to_numpy(zero_copy_only=False)
            )
            return None if parsed.dtype != np.int64 else parsed
        except pa.ArrowInvalid:
            return None
    if kinds <= {int, float}:
        moments = np.array(values, np.float64)
        micros, fits = micros_of_numbers(moments)
        return micros if fits.all() else None
    return None


def micros_of_numbers(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for numbers, float64 (n,); and which of them are a time, bool (n,): where not, the µs mean nothing."""
    size = np.abs(moments)
    micros = np.rint(moments * _unit(size))
    fits = np.abs(micros) < _LATEST
    return np.where(fits, micros, 0.0).astype(np.int64), fits


def _unit(size: np.ndarray) -> Any:
    """What µs a number of this size stands for."""
    if size.max(initial=0.0) < 1e11:
        return 1e6
    return np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)


def _few(values: Sequence[object], now: float) -> list[int] | None:
    """For a handful, Python is faster than an array."""
    if values.count(None):
        return [int(now * 1e6)] * len(values) if values.count(None) == len(values) else None
    found = [micros for value in values if (micros := micros_of(value)) is not None]
    return found if len(found) == len(values) else None
