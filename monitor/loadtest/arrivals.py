"""When calls are due. They do not wait for answers (an open model): users do not slow down with a server."""

from enum import StrEnum

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Arrivals(StrEnum):
    """How calls are spread: as independent callers do it, or evenly."""

    POISSON = "poisson"
    CONSTANT = "constant"


def due(arrivals: Arrivals, rate: float, seconds: float, seed: int) -> Floats:
    """The moments of calls in seconds from the start, ascending, shape (n,): `rate` a second for `seconds`.

    Exactly `rate * seconds` of them, rounded: given their number, moments of a Poisson process are uniform.
    """
    count = max(1, round(rate * seconds))
    if arrivals is Arrivals.CONSTANT:
        return np.arange(count) / rate
    return np.sort(np.random.default_rng(seed).random(count)) * seconds


def ramp(rate: float, seconds: float, seed: int) -> Floats:
    """The moments of a warm-up, whose rate grows evenly from nothing to `rate`, shape (n,)."""
    count = max(1, round(rate * seconds / 2))
    return np.sqrt(np.sort(np.random.default_rng(seed).random(count))) * seconds
