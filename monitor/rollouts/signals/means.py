"""Signals of means of which only sums are kept: costs, and the absolute errors of numbers.

Blocks of at least 50 answers of each version are compared by a normal approximation, each with a bounded bet. This is
the only comparison whose budget is not exact. The mean of few skewed values is mostly too low, so minutes in which the
stable version gives less than half as many answers as the canary are left out.
"""

from dataclasses import dataclass

import numpy as np

from monitor.config.units import format_number
from monitor.rollouts.evidence import QUIET_MINUTES
from monitor.rollouts.signals.signal import CanarySignal, absent, not_measured, weighed

LEAST_OF_BLOCK = 50
_SIZES = (0.35, 0.7, 1.4)
_CLIP = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of one version per minute: `n` answers, shape (minutes,); the sums of their values and of the squares, shape (2,
    minutes).
    """

    n: np.ndarray
    sums: np.ndarray


def of_mean(
    name: str, weight: float, canary: Sums, stable: Sums, what: str, tolerated: float, *, needs: str
) -> CanarySignal:
    """The signal of a mean that may be at most `tolerated` times as large."""
    minutes = canary.n.shape[-1]
    if missing := absent(canary.n, stable.n, needs):
        return not_measured(name, weight, minutes, missing)
    both = (canary.n > 0) & (stable.n > 0)
    weights = np.where(both, canary.n, 0.0)
    mine = float(canary.sums[0][both].sum() / weights.sum())
    other = float((stable.sums[0] / np.maximum(stable.n, 1.0) * weights).sum() / weights.sum())
    reason = f"{what} {format_number(mine)}, {format_number(other)} of the stable version's"
    path = larger_mean(canary, stable, tolerated)
    n, m = float(canary.n.sum()), float(stable.n.sum())
    return weighed(CanarySignal(name, weight, path, reason, mine, other, "", n, m))


def larger_mean(canary: Sums, stable: Sums, tolerated: float) -> np.ndarray:
    """Evidence that the canary's mean is more than `tolerated` times as large: e-values after each minute."""
    logs = np.zeros(len(_SIZES))
    path = np.ones(canary.n.shape[-1])
    mine, other = np.zeros(3), np.zeros(3)
    for minute in range(path.size):
        if minute >= QUIET_MINUTES and 0 < canary.n[minute] <= 2 * stable.n[minute]:
            mine += [canary.n[minute], *canary.sums[:, minute]]
            other += [stable.n[minute], *stable.sums[:, minute]]
            if min(mine[0], other[0]) >= LEAST_OF_BLOCK:
                logs += [size * _beyond(mine, other, tolerated) - size * size / 2 for size in _SIZES]
                mine, other = np.zeros(3), np.zeros(3)
        path[minute] = np.exp(np.minimum(logs, 700.0)).mean()
    return path


def _beyond(canary: np.ndarray, stable: np.ndarray, tolerated: float) -> float:
    """By how many standard errors the canary's mean of a block exceeds what is tolerated, within bounds."""
    mean, error = _mean(canary)
    usual, usual_error = _mean(stable)
    total = float(np.hypot(error, tolerated * usual_error))
    return float(np.clip((mean - tolerated * usual) / total, -_CLIP, _CLIP)) if total > 0 else 0.0


def _mean(sums: np.ndarray) -> tuple[float, float]:
    n, total, squares = (float(value) for value in sums)
    mean = total / n
    return mean, float(np.sqrt(max(squares / n - mean * mean, 0.0) / (n - 1)))
