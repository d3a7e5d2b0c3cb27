"""Sorting, but only what is not in order yet."""

import numpy as np


def in_order(values: np.ndarray) -> np.ndarray:
    """Sorted, NaN last; what is so already is not sorted again."""
    head = values[:16]
    if not bool((head[1:] >= head[:-1]).all()):
        return np.sort(values)
    end = np.searchsorted(values, np.nan) if values.size and np.isnan(values[-1]) else values.size
    known = values[:end]
    if bool((known[1:] >= known[:-1]).all()) and bool(np.isnan(values[end:]).all()):
        return values
    return np.sort(values)
