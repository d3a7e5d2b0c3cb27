"""The replay: the reference is evaluated part by part with what the other parts teach, before drift may page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.clock import iso
from monitor.config.units import DAY, WEEK
from monitor.drift.columns import Floats, WatchedColumn, WindowCounts
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.decision.decide import advance
from monitor.drift.decision.state import begin
from monitor.drift.model.calibration import Calibration, fit
from monitor.drift.model.control_charts import Scored
from monitor.drift.model.scores import Family
from monitor.drift.window_length import least_windows

PARTS = 4
BLOCKS = (24, 72)
"""Lengths of the blocks of windows whose sums of errors are compared with those of independent errors."""
COMMON = 40
"""Blocks of a column that weigh as much as the mean of its family."""
CHANCE = 1.1
"""A dependence up to this is chance: four weeks of independent errors show it in some columns."""
LEAST_SECONDS = WEEK


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The alarms that the reference would have raised, and the number that the budget allows in its time.

    `dependence` (columns, families) is the variance of sums of errors over a day and over three days, whichever is
    larger, relative to that of independent errors: at least 1. On windows that nothing was fitted on, it includes what
    the mean, the season and the filter do not know.
    """

    alarms: int
    allowed: float
    dependence: Floats

    @property
    def raised(self) -> float:
        """The factor by which the limit is multiplied."""
        return max(1.0, self.alarms / self.allowed) if self.allowed > 0 else 1.0


def replay(
    columns: Sequence[WatchedColumn],
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
    sums = _Sums(len(columns))
    for first in range(0, len(reference), size):
        left_out, others = reference[first : first + size], [*reference[:first], *reference[first + size :]]
        calibration = fit(columns, others, min_effect=min_effect, zone=zone)
        needed = limits(calibration.columns, budget.limit(calibration.seconds), silent=calibration.silent)
        state = begin(calibration)
        scored: list[Scored] = []
        for window in left_out:
            state, decision = advance(calibration, state, window, needed)
            alarms += decision.opened
            scored += [decision.scored] if decision.scored is not None else []
        sums.add(calibration, scored)
    span = sum(window.window.seconds for window in reference)
    return Replay(alarms, span / budget.seconds * budget.alarms, sums.dependence())


class _Sums:
    """Sums of squares of the errors over blocks of windows, by column and family of charts."""

    def __init__(self, columns: int) -> None:
        self._squares = np.zeros((len(BLOCKS), columns, len(Family)))
        self._count = np.zeros_like(self._squares)
        self._blocks = np.zeros(len(BLOCKS))

    def add(self, calibration: Calibration, scored: Sequence[Scored]) -> None:
        """Add consecutive windows that the calibration was not fitted on."""
        where = (calibration.scores.column, calibration.scores.family)
        errors = np.array([one.error for one in scored]).reshape(len(scored), -1)
        for index, length in enumerate(BLOCKS):
            blocks = len(errors) // length
            inside = errors[: blocks * length].reshape(blocks, length, errors.shape[1])
            np.add.at(self._squares[index], where, (inside.sum(axis=1) ** 2).sum(axis=0))
            np.add.at(self._count[index], where, ((inside != 0).sum(axis=1)).sum(axis=0).astype(float))
            self._blocks[index] += blocks

    def dependence(self) -> Floats:
        """Each column's own ratio, shrunk to the mean of its family by the number of blocks (columns, families)."""
        seen = self._count > 0
        own = np.divide(self._squares, self._count, out=np.ones_like(self._squares), where=seen)
        common = (own * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        weight = (self._blocks / (self._blocks + COMMON))[:, None, None]
        mixed = np.where(seen, weight * own + (1 - weight) * common[:, None], 1.0).max(axis=0)
        return np.asarray(np.where(mixed > CHANCE, mixed, 1.0))


def checked(calibration: Calibration, result: Replay) -> Calibration:
    """The calibration with its limit raised by the alarms of the replay, and its errors divided by their dependence."""
    charts, scores = calibration.charts, calibration.scores
    factor = np.sqrt(result.dependence[scores.column, scores.family])
    charts = replace(
        charts,
        inflation=charts.inflation * factor,
        dependence=charts.dependence * factor,
        largest=charts.largest / factor,
        effect_sizes=charts.effect_sizes * factor[:, None],
    )
    return replace(calibration, charts=charts, raised=result.raised)


def too_little(start: int, end: int, windows: int, seconds: int) -> str:
    """Why drift cannot page yet, in words; empty if it can."""
    if end - start < LEAST_SECONDS:
        days, required = (end - start) / DAY, LEAST_SECONDS / DAY
        until = iso(start + LEAST_SECONDS)
        return f"the reference covers {days:.1f} days, and {required:.0f} are needed to know the season (until {until})"
    if windows < least_windows(seconds):
        return f"the reference has {windows} windows, and {least_windows(seconds)} are needed to know what is usual"
    return ""
