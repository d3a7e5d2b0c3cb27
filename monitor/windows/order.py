"""Sorting, but only what is not in order yet."""

import numpy as np


def looks_ordered(values: np.ndarray) -> bool:
    """Are the first values in order? Then all may be."""
    head = values[:16]
    return bool((head[1:] >= head[:-1]).all())


def in_order(values: np.ndarray) -> np.ndarray:
    """Sorted, NaN last; what is so already is not sorted again."""
    if not looks_ordered(values):
        return np.sort(values)
    end = np.searchsorted(values, np.nan) if values.size and np.isnan(values[-1]) else values.size
    known = values[:end]
    if bool((known[1:] >= known[:-1]).all()) and bool(np.isnan(values[end:]).all()):
        return values
    return np.sort(values)


def distinct(ordered: np.ndarray) -> np.ndarray:
    """The different ones of sorted values. `np.unique` would load numpy's masked arrays: 10 ms, and memory."""
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered
