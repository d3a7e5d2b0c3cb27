"""Several columns that move at once need less evidence each: a step-up rule for e-values (Wang and Ramdas, "False
discovery rate control with e-values", 2022).

k columns are significant if each has a k-th of the evidence that one alone needs. Then their evidence over limit adds
to 1 at least, and the time until the sum over all columns reaches 1 is what the budget is about (`e_detector`): the
rule costs nothing of it, however the columns depend on each other.
"""

import numpy as np

from monitor.drift.columns import Floats


def step_up(ratio: Floats, counted: np.ndarray) -> Floats:
    """The evidence over limit of each column, `ratio` (columns,), from 1 on significant: that of columns which are so
    together is the largest of k times the k-th largest `ratio`, for each k from its own rank on. Others keep theirs.
    Columns that are not `counted`, bool (columns,), lend nothing and need nothing lent.
    """
    chosen = np.flatnonzero(counted)
    order = chosen[np.argsort(-ratio[chosen], kind="stable")]
    shared = ratio[order] * np.arange(1, len(order) + 1)
    stepped = np.maximum.accumulate(shared[::-1])[::-1]
    together = ratio.copy()
    together[order] = np.where(stepped >= 1, stepped, ratio[order])
    return together
