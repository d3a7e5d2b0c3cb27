"""Was a baseline measured on rows that the model was trained on? Then its accuracy is far above that of live rows."""

import numpy as np

from monitor.metrics import intervals

_FAR_ABOVE = 0.05
_ENOUGH = 300


def first_accuracy(usual: float, values: np.ndarray, n: np.ndarray) -> float | None:
    """The accuracy of the first day, if it was surely far below the baseline's from the start; else None.

    `values` and `n` are the accuracy and the number of outcomes of each of its hours, NaN where not measured.
    """
    known = np.isfinite(values) & (n > 0)
    total = float(n[known].sum())
    if total < _ENOUGH:
        return None
    live = float((values[known] * n[known]).sum()) / total
    return live if intervals.wilson(live * total, total)[1] < usual - _FAR_ABOVE else None
