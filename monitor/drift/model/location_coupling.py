"""The dependence of spread and shape on the location of a column.

Ranks are bounded, so the spread falls when the location moves, and in many columns both move together. This is not a
second change, and a shock of the location would be reported twice. A regression over the reference, on the location
effect and its square, removes the dependence.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

# Shrinkage: a coefficient that explains this many residual variances is halved, because windows are not independent.
DOUBT = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class LocationCoupling:
    """Arrays of shape (charts,): the leading chart of each (itself if none), slope and curvature on the leader's
    effect, and the range of that effect in the reference.
    """

    leader: Integers
    slope: Floats
    curve: Floats
    low: Floats
    high: Floats

    def remove(self, effects: Floats, rows: Floats) -> Floats:
        """Effects (..., charts) minus the part that follows from their leaders."""
        first, second = _terms(effects[..., self.leader], rows[..., self.leader], self.low, self.high)
        return np.asarray(np.where(rows > 0, effects - self.slope * first - self.curve * second, 0.0))

    def extra_variance(self, effects: Floats) -> Floats:
        """The additional variance of the corrected effects (..., charts) if a leader is outside its range, where the
        regression is unknown. The leader itself then shows the change.
        """
        lead = effects[..., self.leader]
        beyond = lead - np.clip(lead, self.low, self.high)
        return np.asarray((beyond * (self.leader != np.arange(len(self.leader)))) ** 2)


def no_coupling(charts: int) -> LocationCoupling:
    """A coupling in which every chart is independent."""
    zero = np.zeros(charts)
    return LocationCoupling(np.arange(charts), zero, zero, zero, zero)


def _terms(lead: Floats, rows: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    clipped = np.clip(lead, low, high)
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=rows > 0)
    return clipped, np.asarray(clipped**2 - noise)


def fit(effects: Floats, rows: Floats, leader: Integers) -> LocationCoupling:
    """Weighted least squares over reference windows (windows, charts), each chart on its leader."""
    lead = effects[:, leader]
    low, high = lead.min(axis=0), lead.max(axis=0)
    weight = rows / np.maximum(rows.sum(axis=0), 1e-9)
    first, second = (one - (weight * one).sum(axis=0) for one in _terms(lead, rows[:, leader], low, high))
    target = effects - (weight * effects).sum(axis=0)
    # The square is made orthogonal to the effect first; the slope is corrected for it at the end.
    shared = _ratio((weight * first * second).sum(axis=0), (weight * first**2).sum(axis=0))
    slope = _believed(weight, first, target)
    curve = _believed(weight, second - shared * first, target - slope * first)
    led = leader != np.arange(len(leader))
    return LocationCoupling(leader, (slope - curve * shared) * led, curve * led, low, high)


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.divide(one, other, out=np.zeros_like(one), where=other > 1e-12)


def _believed(weight: Floats, term: Floats, target: Floats) -> Floats:
    """The coefficient of a centred term, shrunk if it explains little."""
    power = (weight * term**2).sum(axis=0)
    coefficient = _ratio((weight * term * target).sum(axis=0), power)
    residual = np.maximum((weight * (target - coefficient * term) ** 2).sum(axis=0), 1e-12)
    gain = len(term) * coefficient**2 * power / residual
    return np.asarray(coefficient * gain / (gain + DOUBT))
