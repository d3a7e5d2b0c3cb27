"""Sorting of values that may already be sorted."""

from itertools import pairwise

import numpy as np


def looks_ordered(values: np.ndarray) -> bool:
    """Whether the first values are sorted; then all may be."""
    head = values[:16].tolist()  # so few are compared faster without numpy
    return all(value <= following for value, following in pairwise(head))


def in_order(values: np.ndarray) -> np.ndarray:
    """The values sorted, NaN last. Values that are already sorted are returned as they are."""
    if not looks_ordered(values):
        return _sorted(values)
    end = np.searchsorted(values, np.nan) if values.size and np.isnan(values[-1]) else values.size
    numbers = values[:end]
    if bool((numbers[1:] >= numbers[:-1]).all()) and bool(np.isnan(values[end:]).all()):
        return values
    return _sorted(values)


def _sorted(values: np.ndarray) -> np.ndarray:
    copied = values.copy()  # what `np.sort` does, without its checks of the argument
    copied.sort()
    return copied


def distinct(ordered: np.ndarray) -> np.ndarray:
    """The distinct values of a sorted array. `np.unique` would import numpy's masked arrays: 10 ms, and memory."""
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered
