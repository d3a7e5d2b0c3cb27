"""Detects baselines that were measured on training rows: their accuracy is far above that of live rows."""

import numpy as np

from monitor.metrics import intervals

_FAR_ABOVE = 0.05
_ENOUGH = 300


def first_accuracy(usual: float, values: np.ndarray, n: np.ndarray) -> float | None:
    """The accuracy of the first day, if it was significantly far below the baseline's from the start; else None.

    `values` and `n` are the accuracy and the number of outcomes of each of its hours, NaN where not measured.
    """
    is_measured = np.isfinite(values) & (n > 0)
    total = float(n[is_measured].sum())
    if total < _ENOUGH:
        return None
    live = float((values[is_measured] * n[is_measured]).sum()) / total
    return live if intervals.wilson(live * total, total)[1] < usual - _FAR_ABOVE else None
