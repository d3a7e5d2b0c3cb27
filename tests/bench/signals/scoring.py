"""Figures of a signal on labelled rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Numbers = npt.NDArray[np.float64]


def auc(high: Numbers, low: Numbers) -> float:
    """The chance that a value of `high` is above one of `low`, ties counted half; without values that are missing."""
    high, low = high[np.isfinite(high)], low[np.isfinite(low)]
    ranks = rankdata(np.concatenate([high, low]))
    return float((ranks[: len(high)].sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def share(flags: Sequence[float | bool | None]) -> tuple[float | None, int]:
    """The share of those that are set among those that are measured, and how many these are."""
    known = [one for one in flags if one is not None]
    return (sum(known) / len(known) if known else None), len(known)


def is_matched(right: str, wrong: str) -> bool:
    """Whether two texts are about equally long: within a tenth."""
    longer, shorter = max(len(right), len(wrong)), min(len(right), len(wrong))
    return longer > 0 and shorter >= 0.9 * longer
