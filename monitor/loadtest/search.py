"""Which rate to try next: the agreed one, then steps up until a limit is missed, then between the two. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.loadtest.stage import ObjectiveState

UP = 1.5
"""The factor from step to step."""
PRECISION = 1.15
"""The search ends when the lowest rate that was missed is within this factor of the highest that was held."""
LOWEST = 1 / 20
"""The part of the agreed rate below which nothing is tried."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rate, and what became of it."""

    rate: float
    state: ObjectiveState


def held(tried: Sequence[Tried]) -> float | None:
    """The highest rate that was held below every rate that was missed; None if there is none."""
    ceiling = missed(tried)
    rates = [one.rate for one in tried if one.state is ObjectiveState.HELD]
    return max((rate for rate in rates if ceiling is None or rate < ceiling), default=None)


def missed(tried: Sequence[Tried]) -> float | None:
    """The lowest rate that was missed; None if there is none."""
    return min((one.rate for one in tried if one.state is ObjectiveState.MISSED), default=None)


def next_rate(wanted: float, highest: float, tried: Sequence[Tried], most_stages: int) -> float | None:
    """The rate of the next stage; None if the search is over. `highest` is never exceeded."""
    if not tried:
        return wanted
    if tried[-1].state is ObjectiveState.UNKNOWN or len(tried) >= most_stages:
        return None
    low, high = held(tried), missed(tried)
    if high is None:
        top = max(one.rate for one in tried)
        return None if top >= highest else min(top * UP, highest)
    if low is None:
        lower = high / UP
        return lower if lower >= wanted * LOWEST else None
    return None if high / low <= PRECISION * (1 + 1e-9) else (high * low) ** 0.5
