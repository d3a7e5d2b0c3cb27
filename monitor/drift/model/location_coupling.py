"""How spread and shape follow the location: a column that wanders up and down also bends its higher moments.

Ranks are bounded, so a column's spread falls as soon as its location moves, and in many columns both move together.
That is no second change, and a shock in the location would otherwise be told twice. A regression over the reference,
on the location effect and on its square, takes it out.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

# What a coefficient must explain, in residual variances, before half of it is believed: windows are not independent.
DOUBT = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class LocationCoupling:
    """Arrays of shape (charts,): the chart that leads each (itself: nothing leads it), slope and curve on the leader's
    effect, and the range of that effect in the reference, beyond which nothing is known.
    """

    leader: Integers
    slope: Floats
    curve: Floats
    low: Floats
    high: Floats

    def remove(self, effects: Floats, rows: Floats) -> Floats:
        """Effects (..., charts) less what follows from the leaders'."""
        first, second = _terms(effects[..., self.leader], rows[..., self.leader], self.low, self.high)
        return np.asarray(np.where(rows > 0, effects - self.slope * first - self.curve * second, 0.0))

    def extra_variance(self, effects: Floats) -> Floats:
        """Variance of the straight effects (..., charts) where a leader is beyond its range: as far as it is beyond, it
        may have taken its followers along. The leader itself tells of that.
        """
        lead = effects[..., self.leader]
        beyond = lead - np.clip(lead, self.low, self.high)
        return np.asarray((beyond * (self.leader != np.arange(len(self.leader)))) ** 2)


def no_coupling(charts: int) -> LocationCoupling:
    """Nothing follows anything."""
    zero = np.zeros(charts)
    return LocationCoupling(np.arange(charts), zero, zero, zero, zero)


def _terms(lead: Floats, rows: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    held = np.clip(lead, low, high)
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=rows > 0)
    return held, np.asarray(held**2 - noise)


def fit(effects: Floats, rows: Floats, leader: Integers) -> LocationCoupling:
    """Weighted least squares over reference windows (windows, charts), each chart on its leader."""
    lead = effects[:, leader]
    low, high = lead.min(axis=0), lead.max(axis=0)
    weight = rows / np.maximum(rows.sum(axis=0), 1e-9)
    first, second = (one - (weight * one).sum(axis=0) for one in _terms(lead, rows[:, leader], low, high))
    target = effects - (weight * effects).sum(axis=0)
    # The square's part that the effect itself explains is taken out first, and given back to the slope at the end.
    shared = _ratio((weight * first * second).sum(axis=0), (weight * first**2).sum(axis=0))
    slope = _believed(weight, first, target)
    curve = _believed(weight, second - shared * first, target - slope * first)
    led = leader != np.arange(len(leader))
    return LocationCoupling(leader, (slope - curve * shared) * led, curve * led, low, high)


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.divide(one, other, out=np.zeros_like(one), where=other > 1e-12)


def _believed(weight: Floats, term: Floats, target: Floats) -> Floats:
    """The coefficient of a centred term, shrunk by how little it explains."""
    power = (weight * term**2).sum(axis=0)
    found = _ratio((weight * term * target).sum(axis=0), power)
    rest = np.maximum((weight * (target - found * term) ** 2).sum(axis=0), 1e-12)
    gain = len(term) * found**2 * power / rest
    return np.asarray(found * gain / (gain + DOUBT))
