"""How often a label comes that was never seen before: by chance, and because values are replaced by others.

A column with thousands of values shows some of them for the first time in every hour, although nothing changes. The
share of rows whose label occurs once in the baseline estimates the share of the next rows whose label is new (Good,
"The population frequencies of species and the estimation of population parameters", Biometrika 1953).
"""

import numpy as np

_PART = 0.75
_FEWEST = 20


def novelty(counts: np.ndarray) -> float:
    """The share of the next rows whose label is new by chance, from the rows of each label (labels,)."""
    rows = int(counts.sum())
    return float((counts == 1).sum() / rows) if rows else 0.0


def first_part(rows: int) -> int:
    """The number of the first rows that `turnover` compares the others with."""
    return int(rows * _PART)


def turnover(counts: np.ndarray, first: np.ndarray) -> float:
    """The share of rows in the last quarter whose label none of the `first_part` has, beyond what chance explains; 0 if
    fewer than 20 labels came.

    `counts` and `first` (labels,) are each label's rows in all rows and in the first part. In rows without an order, a
    label of c rows is missing in three quarters with probability 0.25**c.
    """
    last = counts - first
    rows = int(last.sum())
    came = (first == 0) & (last > 0)
    if rows == 0 or int(came.sum()) < _FEWEST:
        return 0.0
    chance = float((counts * (1 - _PART) ** counts).sum())
    return max((float(last[came].sum()) - chance) / rows, 0.0)
