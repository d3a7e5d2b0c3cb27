"""Calibration of scores: the share of correct answers, or of a class, in each bucket, learned from a baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.windows.layout.layout import Floats
from monitor.windows.profile import Slice

_PRIOR = 10.0
"""Weight, in rows, of the curve through all buckets for a bucket of confidence (a Bayesian prior)."""
_PRIOR_OF_BLOCK = 20.0
"""The same for a block of isotonic regression, whose share is too extreme because its limits are chosen by it."""
_CHOSEN = 2.0
"""By how much the choice of the limits inflates the variance of a block's share: with it, intervals from
300 rows on hold the truth in more than 90 % of simulations.
"""
_AS_CLAIMED, _WEAK = np.array([0.0, 1.0]), 0.5
"""The curve on which a score is calibrated, and the precision of the prior at it."""
_CLASSES: WeakKeyDictionary[Slice, dict[str, "ScoreCalibration"]] = WeakKeyDictionary()
"""Calibrations by baseline and class: they cost more than the measurement of a window."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCalibration:
    """The share of correct answers, or of a class, per bucket of a score: `shares`, shape (buckets,).

    They lie between the own share of a block of buckets in the baseline and a logistic curve through all buckets (Platt
    scaling), with the weight `own` for the block. So hundreds of buckets can be learned from a few hundred rows.
    `block` is the block of each bucket, and `variances` are those of the blocks' own shares. `slopes` are the
    derivatives of the curve by its two parameters, whose errors have the covariance `errors`.
    """

    shares: Floats
    own: Floats
    block: np.ndarray
    variances: Floats
    slopes: Floats
    errors: Floats

    def expected(self, counts: Floats) -> tuple[float, float]:
        """The mean of the shares over the counts, and the standard error of the share that will be measured."""
        n = counts.sum()
        chance = float((counts * self.shares * (1 - self.shares)).sum()) / n**2
        weights = np.asarray(counts / n)
        return float((weights * self.shares).sum()), math.sqrt(chance + self.variance(weights))

    def variance(self, gradient: Floats) -> float:
        """The variance, due to the errors of the shares, of a figure that has this gradient by the shares."""
        of_blocks = np.bincount(self.block, gradient * self.own, self.variances.size)
        moved = self.slopes @ (gradient * (1 - self.own))
        return float((of_blocks**2 * self.variances).sum() + moved @ self.errors @ moved)


def of_confidence(base: Slice) -> ScoreCalibration:
    """The share of correct answers per bucket of confidence.

    Each bucket is a block of its own: a confidence may be that of another class than the answer, and then more of it
    need not be better.
    """
    right, wrong = base.column("confidence.right"), base.column("confidence.wrong")
    n = right.regular + wrong.regular
    curve, slopes, errors = _platt(_middles(right.column.edges), right.regular, n)
    own = n / (n + _PRIOR)
    observed = np.divide(right.regular, n, out=curve.copy(), where=n > 0)
    shares = own * observed + (1 - own) * curve
    variances = shares * (1 - shares) / np.maximum(n, 1.0)
    return ScoreCalibration(shares, own, np.arange(n.size), variances, slopes, errors)


def of_class(base: Slice, name: str) -> ScoreCalibration:
    """The share of a class in each bucket of its probability, the buckets being those of `probabilities.<name>`.

    More probability never means a smaller share (isotonic regression), unless the baseline shows the contrary.
    """
    known = _CLASSES.setdefault(base, {})
    if name not in known:
        edges = base.layout.column(f"probabilities.{name}").edges
        sides = [base.column(f"truth.{name}.{side}") for side in ("positive", "negative")]
        yes, no = (_moved_to(edges, side.column.edges, side.regular) for side in sides)
        known[name] = _isotonic(_middles(edges), yes, yes + no)
    return known[name]


def _middles(edges: Floats) -> Floats:
    return np.asarray((edges[:-1] + np.minimum(edges[1:], 1.0)) / 2)


def _moved_to(edges: Floats, from_edges: Floats, counts: Floats) -> Floats:
    """Counts between other edges; a bucket that crosses an edge is divided by length."""
    if np.array_equal(edges, from_edges):
        return counts
    return np.diff(np.interp(edges, from_edges, np.concatenate([[0.0], np.cumsum(counts)])))


def _isotonic(claimed: Floats, yes: Floats, n: Floats) -> ScoreCalibration:
    curve, slopes, errors = _platt(claimed, yes, n)
    shares, own, block = curve.copy(), np.zeros(n.size), np.zeros(n.size, np.int64)
    variances = [0.0]  # of the buckets outside of all blocks, which have the curve alone
    for first, last, positive, rows in _blocks(yes, n, rising=curve[-1] >= curve[0]):
        within = slice(first, last + 1)
        weight = rows / (rows + _PRIOR_OF_BLOCK)
        shares[within] = weight * positive / rows + (1 - weight) * curve[within]
        own[within], block[within] = weight, len(variances)
        share = (positive + 1) / (rows + 2)
        variances.append(_CHOSEN * share * (1 - share) / rows)
    return ScoreCalibration(shares, own, block, np.array(variances), slopes, errors)


def _blocks(yes: Floats, n: Floats, *, rising: bool) -> Sequence[tuple[int, int, float, float]]:
    """The blocks of buckets with one share, by pooling adjacent violators: first and last bucket, positives, rows."""
    sign = 1.0 if rising else -1.0
    blocks: list[tuple[int, int, float, float]] = []
    for place in np.flatnonzero(n > 0).tolist():
        first, positive, rows = place, float(yes[place]), float(n[place])
        while blocks and sign * (positive * blocks[-1][3] - blocks[-1][2] * rows) <= 0:
            first, _, earlier, earlier_rows = blocks.pop()
            positive, rows = positive + earlier, rows + earlier_rows
        blocks.append((first, place, positive, rows))
    return blocks


def _platt(claimed: Floats, right: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """A logistic curve through the buckets, its derivatives by its two parameters, and their covariance.

    The weak prior is a calibrated score; the fit is Newton's method.
    """
    design = np.stack([np.ones(n.size), np.log(claimed / (1 - claimed))])
    parameters, information = _AS_CLAIMED.copy(), np.eye(2)
    for _ in range(25):
        curve = _logistic(parameters @ design)
        information = (design * (n * curve * (1 - curve))) @ design.T + np.diag([_WEAK, _WEAK])
        gradient = design @ (right - n * curve) - _WEAK * (parameters - _AS_CLAIMED)
        moved = np.linalg.solve(information, gradient)
        parameters = parameters + np.clip(moved, -2.0, 2.0)
        if float(np.abs(moved).max()) < 1e-9:
            break
    curve = _logistic(parameters @ design)
    slopes, errors = design * curve * (1 - curve), np.linalg.inv(information)
    return curve, np.asarray(slopes, np.float64), np.asarray(errors, np.float64)


def _logistic(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
