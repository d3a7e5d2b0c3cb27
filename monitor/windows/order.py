"""Sorting, but only what is not in order yet."""

from itertools import pairwise

import numpy as np


def looks_ordered(values: np.ndarray) -> bool:
    """Are the first values in order? Then all may be."""
    head = values[:16].tolist()  # so few are compared faster without numpy
    return all(one <= other for one, other in pairwise(head))


def in_order(values: np.ndarray) -> np.ndarray:
    """Sorted, NaN last; what is so already is not sorted again."""
    if not looks_ordered(values):
        return _sorted(values)
    end = np.searchsorted(values, np.nan) if values.size and np.isnan(values[-1]) else values.size
    known = values[:end]
    if bool((known[1:] >= known[:-1]).all()) and bool(np.isnan(values[end:]).all()):
        return values
    return _sorted(values)


def _sorted(values: np.ndarray) -> np.ndarray:
    mine = values.copy()  # these two calls are what `np.sort` does, after asking what it was given
    mine.sort()
    return mine


def distinct(ordered: np.ndarray) -> np.ndarray:
    """The different ones of sorted values. `np.unique` would load numpy's masked arrays: 10 ms, and memory."""
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered
