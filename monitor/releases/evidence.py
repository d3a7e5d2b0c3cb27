"""Evidence against a canary from its minutes so far: an e-process on which of the two versions failed.

Of the k failures of a minute, those of the canary are binomial with its share of the traffic, tilted by how much worse
it is: theta(R) = R w / (R w + 1 - w). Betting against "at most `tolerated` times as bad" with several alternatives
gives a process whose mean stays below 1 while that is true, so it may be checked after every minute and stopped at
any time (Ville's inequality: it ever reaches 1 / alpha with probability at most alpha). Failures that come in bursts
are not independent: each minute's bet is made smaller by the variation of the stable version's minutes before it.
Idea: Lindon and Malek, "Anytime-valid inference for multinomial count data" (2022).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

TOLERATED = 1.5
"""A canary may fail this many times as often as the stable version."""
ALTERNATIVES = (1.5, 2.0, 3.0, 5.0, 8.0)
"""Alternatives: this many times worse than tolerated."""
QUIET_MINUTES = 5
"""Minutes at the start in which only the variation is learned."""


@dataclass(frozen=True, slots=True)
class Minute:
    """Answers of both versions in one minute, and failures among them."""

    canary: float
    canary_failed: float
    stable: float
    stable_failed: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """`value` is the largest e-value so far. `burstiness` is the excess relative variance of the
    stable version's failures from minute to minute.
    """

    value: float
    burstiness: float
    minutes: int


def evidence(minutes: Sequence[Minute]) -> Evidence:
    """The evidence against the canary after these minutes, in time order."""
    logs = [0.0] * len(ALTERNATIVES)
    largest = 0.0
    for number, minute in enumerate(minutes):
        failed = minute.canary_failed + minute.stable_failed
        total = minute.canary + minute.stable
        if number < QUIET_MINUTES or not failed or not minute.canary or not minute.stable:
            continue
        share = minute.canary / total
        bursts = burstiness(minutes[:number])
        care = 1 / (1 + bursts * failed * share)
        for at, worse in enumerate(ALTERNATIVES):
            bet = _likelihood(minute.canary_failed, failed, _tilted(share, TOLERATED * worse))
            logs[at] += care * (bet - _likelihood(minute.canary_failed, failed, _tilted(share, TOLERATED)))
        largest = max(largest, _mean_of_exponentials(logs))
    return Evidence(largest, burstiness(minutes), len(minutes))


def burstiness(minutes: Sequence[Minute]) -> float:
    """How much more the stable version's failures vary than independent ones would, relative to their mean squared."""
    counted = [minute for minute in minutes if minute.stable > 0]
    failed, total = sum(m.stable_failed for m in counted), sum(m.stable for m in counted)
    if len(counted) < 2 or not failed:
        return 0.0
    expected = [failed / total * minute.stable for minute in counted]
    squares = sum((m.stable_failed - e) ** 2 for m, e in zip(counted, expected, strict=True))
    # For independent failures, the expected sum of squares is their number minus one degree of freedom for the mean.
    excess = squares - failed * (1 - 1 / len(counted))
    return max(0.0, excess / sum(e * e for e in expected))


def _tilted(share: float, worse: float) -> float:
    return worse * share / (worse * share + 1 - share)


def _likelihood(canary: float, failed: float, chance: float) -> float:
    return canary * math.log(chance) + (failed - canary) * math.log1p(-chance)


def _mean_of_exponentials(logs: Sequence[float]) -> float:
    top = max(logs)
    mean = sum(math.exp(value - top) for value in logs) / len(logs)
    return math.exp(min(top + math.log(mean), 700.0))
