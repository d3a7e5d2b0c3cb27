"""How far counting is behind accepting. Pure."""

import math
from collections.abc import Sequence


def longest_lag(accepted: Sequence[float], counted: Sequence[tuple[float, float]]) -> float | None:
    """The longest time in seconds from when a call was accepted to when it was counted; None without samples.

    `accepted` are the moments of accepted calls, ascending. `counted` are (moment, calls counted until then): at such a
    moment, the first call that is not counted yet has waited since it was accepted.
    """
    lags = []
    for at, count in counted:
        first = math.floor(count + 1e-9)
        lags.append(at - accepted[first] if first < len(accepted) else 0.0)
    return max((max(0.0, lag) for lag in lags), default=None)
