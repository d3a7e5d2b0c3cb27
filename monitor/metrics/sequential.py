"""Sequential evidence that a rate or a mean has become worse than its reference: e-detectors (Shin et al. 2023).

Evidence is updated by the likelihood ratio of each step, `R <- (1 + R) * ratio` (Shiryaev and Roberts). While the true
value is not worse than the reference minus its margin, the mean time until the evidence exceeds a limit A is at least A
steps, whatever the number of rows per step. So "one false alarm in 30 days" is A = the number of steps in 30 days.

Ratios are clipped: no single step is proof, so that a batch of equal outcomes is not taken for a change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_A_STEP = 6.0
"""Upper limit of the logarithm of one step's ratio."""
_SHARES = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
_LAMBDAS = (0.35, 0.7, 1.4, 2.8, 4.5)
_CLIP = 3.0
_REMEMBERED = 3.0
"""How far evidence may rise above the limit, as a logarithm, so that it falls again when the value has recovered."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The usual level: the mean of good outcomes, the standard deviation of a single one, and the margin below the
    mean.
    """

    mean: float
    margin: float
    deviation: float = 0.0
    is_share: bool = True


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The logarithm of the evidence for each alternative; `-inf` is none."""

    logs: tuple[float, ...] = ()

    def beyond(self, limit: float) -> float:
        """The mean evidence over the alternatives as a multiple of the limit; significant from 1 on."""
        if not self.logs:
            return 0.0
        largest = max(self.logs)
        if largest == -math.inf:
            return 0.0
        total = math.fsum(math.exp(log - largest) for log in self.logs) / len(self.logs)
        return math.exp(largest + math.log(total) - math.log(limit))


def step(before: LogEvidence, reference: Reference, good: float, n: float, limit: float) -> LogEvidence:
    """The evidence after a step with `n` outcomes whose sum (of a share: the number of good ones) is `good`."""
    if n <= 0:
        return before
    ratios = _of_share(reference, good, n) if reference.is_share else _of_mean(reference, good, n)
    previous = before.logs or (-math.inf,) * len(ratios)
    cap = math.log(limit) + math.log(len(ratios)) + _REMEMBERED
    return LogEvidence(
        tuple(min(_log_one_plus(old) + ratio, cap) for old, ratio in zip(previous, ratios, strict=True))
    )


def _of_share(reference: Reference, good: float, n: float) -> Sequence[float]:
    edge = min(max(reference.mean - reference.margin, 0.002), 0.9995)
    bad = max(n - good, 0.0)
    ratios = []
    for fall in _SHARES:
        other = max(edge - fall, edge * 0.02)
        ratio = good * math.log(other / edge) + bad * math.log((1 - other) / (1 - edge))
        ratios.append(max(min(ratio, MOST_A_STEP), -MOST_A_STEP))
    return ratios


def _of_mean(reference: Reference, total: float, n: float) -> Sequence[float]:
    error = reference.deviation / math.sqrt(n)
    below = (reference.mean - reference.margin - total / n) / error
    clipped = max(-_CLIP, min(_CLIP, below))
    return [size * clipped - size * size / 2 for size in _LAMBDAS]


def _log_one_plus(log: float) -> float:
    """The logarithm of 1 + exp(log)."""
    return math.log1p(math.exp(log)) if log < 30 else log
