"""The replay: the reference is evaluated part by part with what the other parts teach, before drift may page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.clock import iso
from monitor.config.units import DAY, WEEK
from monitor.drift.columns import Column, WindowCounts
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.decision.decide import advance
from monitor.drift.decision.state import begin
from monitor.drift.model.calibration import Calibration, fit

PARTS = 4
LEAST_SECONDS, LEAST_WINDOWS = WEEK, 100


@dataclass(frozen=True, slots=True)
class Replay:
    """The alarms that the reference would have raised, and the number that the budget allows in its time."""

    alarms: int
    allowed: float

    @property
    def raised(self) -> float:
        """The factor by which the limit is multiplied."""
        return max(1.0, self.alarms / self.allowed) if self.allowed > 0 else 1.0


def replay(
    columns: Sequence[Column],
    reference: Sequence[WindowCounts],
    budget: Budget,
    *,
    min_effect: float,
    zone: str,
) -> Replay:
    """Leave out a quarter of the reference (a week of four), fit on the rest and evaluate the quarter; then the next
    one.
    """
    size = -(-len(reference) // PARTS)
    alarms = 0
    for first in range(0, len(reference), size):
        left_out, others = reference[first : first + size], [*reference[:first], *reference[first + size :]]
        calibration = fit(columns, others, min_effect=min_effect, zone=zone)
        needed = limits(calibration.columns, budget.limit(calibration.seconds), silent=calibration.silent)
        state = begin(calibration)
        for window in left_out:
            state, decision = advance(calibration, state, window, needed)
            alarms += decision.opened
    span = sum(window.window.seconds for window in reference)
    return Replay(alarms, span / budget.seconds * budget.alarms)


def checked(calibration: Calibration, result: Replay) -> Calibration:
    """The calibration with its limit raised by the result of the replay."""
    return replace(calibration, raised=result.raised)


def too_little(start: int, end: int, windows: int) -> str:
    """Why drift cannot page yet, in words; empty if it can."""
    if end - start < LEAST_SECONDS:
        days, required = (end - start) / DAY, LEAST_SECONDS / DAY
        until = iso(start + LEAST_SECONDS)
        return f"the reference covers {days:.1f} days, and {required:.0f} are needed to know the season (until {until})"
    if windows < LEAST_WINDOWS:
        return f"the reference has {windows} windows, and {LEAST_WINDOWS} are needed to know what is usual"
    return ""
