"""Evidence that may be looked at after every window: e-Shiryaev-Roberts charts.

For each sign and each of a few sizes of drift, R <- (1 + R) exp(lambda x - lambda^2 / 2). R is the sum of one bet for
every window in which the drift may have begun, and lambda is what a drift of that size and age does to the score of
this window: more in its first windows than later, for the filter comes to follow it. While nothing drifts and x is
at most standard normal, the expectation of R grows by one a window, and so does that of any weighted mean of such R,
whatever their dependence. The first time that a mean exceeds a limit A is therefore at least A windows away on
average (Shin, Ramdas and Rinaldo, "E-detectors", 2023): a budget of false alarms, with no p-value and no correction
for the number of columns beyond the weights.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

SIZES = 4

# How belief is shared among the sizes of a drift: the largest is found within a few windows anyway.
SIZE_WEIGHTS = np.array([0.2, 0.35, 0.3, 0.15])
SIGNS = np.array([1.0, -1.0])
CLIP, STRONG = 3.0, 2.5
CAP = 1e250
ONSET = (1, 2)

SHARES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
RELEVANT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """R of each chart, sign, size and age of the drift (ages, charts, 2, SIZES), and what was seen since each sign's
    evidence began.

    `rows` and `sums` (charts, 2) are the rows since then and the deviations times rows; `since` (charts, 2) is when
    it began, seconds since the epoch, and 0 while there is no evidence. `strong` (charts, 2) is 1 where the last window
    spoke for a drift of that sign.
    """

    ratio: Floats
    rows: Floats
    sums: Floats
    since: Floats
    strong: Floats

    def mean(self) -> Floats:
        """Evidence of each sign, (charts, 2), such that their sum is the chart's evidence."""
        return np.asarray(self.ratio.sum(axis=0) @ SIZE_WEIGHTS / len(SIGNS))

    def effect(self) -> Floats:
        """Mean deviation in the direction of each sign since its evidence began: (charts, 2)."""
        return np.asarray(
            np.divide(self.sums * SIGNS, self.rows, out=np.zeros_like(self.sums), where=self.rows > 0)
        )


def begin(charts: int, ages: int = 1) -> Evidence:
    """No evidence."""
    pair = np.zeros((charts, len(SIGNS)))
    return Evidence(np.zeros((ages, charts, len(SIGNS), SIZES)), pair, pair, pair, pair)


def advance(
    before: Evidence,
    scores: Floats,
    margins: Floats,
    lambdas: Floats,
    bounds: Floats,
    deviations: Floats,
    rows: Floats,
    start: float,
) -> Evidence:
    """Add one window's normal scores (charts,); a chart with 0 rows keeps its evidence as it was.

    `lambdas` (ages, charts, SIZES) is the lambda of each size for a drift that begins now, began one window ago, ...
    `bounds` (charts, 2) is the most that a score counts for: after a window that said little, and after one that spoke
    for the same drift.
    """
    signed = scores[:, None] * SIGNS - margins[:, None]
    bound = np.where(before.strong > 0, bounds[:, 1:], bounds[:, :1])
    x = np.clip(signed, -CLIP, bound)[:, :, None]
    lambdas = np.minimum(lambdas, bounds[:, 1:])[:, :, None]
    held = _older(before.ratio)
    ratio = np.minimum(held * np.exp(lambdas * (x - lambdas / 2)), CAP)
    ratio = np.where((rows > 0)[:, None, None], ratio, before.ratio)
    whole = ratio.sum(axis=0)
    began = (whole[:, :, ONSET[0]] >= 1) | (whole[:, :, ONSET[1]] >= 1)
    return Evidence(
        ratio,
        np.where(began, before.rows + rows[:, None], 0.0),
        np.where(began, before.sums + (deviations * rows)[:, None], 0.0),
        np.where(began, np.where(before.since > 0, before.since, start), 0.0),
        np.where((rows > 0)[:, None], (signed >= STRONG) * 1.0, before.strong),
    )


def _older(ratio: Floats) -> Floats:
    """The effect_sizes one window later: one begins, each is a window older, and the oldest are put together."""
    fresh = np.ones_like(ratio[:1])
    if len(ratio) == 1:
        return np.asarray(fresh + ratio)
    return np.concatenate([fresh, ratio[:-2], ratio[-2:].sum(axis=0, keepdims=True)])


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Evidence that values appear which the reference never held: R of each column and share (columns, shares)."""

    ratio: Floats
    rows: Floats
    found: Floats
    since: Floats

    def mean(self) -> Floats:
        """Evidence of each column."""
        return np.asarray(self.ratio.mean(axis=1))

    def share(self) -> Floats:
        """Share of unseen values since the evidence began."""
        return np.divide(self.found, self.rows, out=np.zeros_like(self.found), where=self.rows > 0)


def begin_unseen(columns: int) -> Unseen:
    """No evidence."""
    zero = np.zeros(columns)
    return Unseen(np.zeros((columns, len(SHARES))), zero, zero, zero)


def advance_unseen(before: Unseen, found: Floats, rows: Floats, expected: Floats, start: float) -> Unseen:
    """Add one window's counts of unseen values, which are expected in a share `expected` of rows at most.
    Shares that are not at least twice that say nothing.
    """
    bound = np.minimum(expected, 0.5)[:, None]
    telling = 2 * bound <= SHARES
    likely = np.where(telling, SHARES, bound)
    gain = found[:, None] * np.log(likely / bound) + (rows - found)[:, None] * np.log(
        (1 - likely) / (1 - bound)
    )
    ratio = np.minimum((1.0 + before.ratio) * np.exp(np.clip(gain, -700, 100)), CAP) * telling
    # Small shares keep some evidence for long after a single row; a share that matters does not.
    began = (ratio[:, RELEVANT:].max(axis=1) >= 1) & (before.found + found > 0)
    return Unseen(
        ratio,
        np.where(began, before.rows + rows, 0.0),
        np.where(began, before.found + found, 0.0),
        np.where(began, np.where(before.since > 0, before.since, start), 0.0),
    )


def per_column(values: Floats, column: Integers, columns: int) -> Floats:
    """Sums over the charts of each column."""
    return np.asarray(np.bincount(column, values, columns), dtype=np.float64)
