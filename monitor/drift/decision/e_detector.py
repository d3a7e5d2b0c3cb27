"""Sequential evidence that may be checked after every window: e-Shiryaev-Roberts charts.

For each sign and each of a few sizes of drift, R <- (1 + R) exp(lambda x - lambda^2 / 2). R sums one bet per window in
which the drift may have begun; lambda is the shift of this window's score by a drift of that size and age: larger in
its first windows than later, because the filter follows it. While nothing drifts and x is at most standard normal, the
expectation of R grows by one per window, and so does that of any weighted mean of such R, whatever their dependence.
The mean time until a mean exceeds a limit A is therefore at least A windows (Shin, Ramdas and Rinaldo, "E-detectors",
2023): a budget of false alarms without p-values, and without a correction for the number of columns beyond the weights.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers

SIZES = 4

# Prior weights of the sizes of a drift: the largest is detected within a few windows in any case.
SIZE_WEIGHTS = np.array([0.2, 0.35, 0.3, 0.15])
SIGNS = np.array([1.0, -1.0])
CLIP, STRONG = 3.0, 2.5
CAP = 1e250
ONSET = (1, 2)

SHARES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
RELEVANT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """R of each chart, sign, size and age of the drift (ages, charts, 2, SIZES), and sums since each sign's evidence
    began.

    `rows` and `sums` (charts, 2) are the rows since then and the deviations times rows; `since` (charts, 2) is when it
    began, in seconds since the epoch, 0 without evidence. `strong` (charts, 2) is 1 if the last window was strong
    evidence for a drift of that sign.
    """

    ratio: Floats
    rows: Floats
    sums: Floats
    since: Floats
    strong: Floats

    def mean(self) -> Floats:
        """The evidence of each sign (charts, 2); their sum is the evidence of the chart."""
        return np.asarray(self.ratio.sum(axis=0) @ SIZE_WEIGHTS / len(SIGNS))

    def effect(self) -> Floats:
        """The mean deviation in the direction of each sign since its evidence began (charts, 2)."""
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
    """Add one window's normal scores (charts,); a chart with 0 rows keeps its evidence.

    `lambdas` (ages, charts, SIZES) is the lambda of each size for a drift that begins now, began one window ago, and so
    on. `bounds` (charts, 2) caps the score: after a window without strong evidence, and after one with strong evidence
    for the same sign.
    """
    signed = scores[:, None] * SIGNS - margins[:, None]
    bound = np.where(before.strong > 0, bounds[:, 1:], bounds[:, :1])
    x = np.clip(signed, -CLIP, bound)[:, :, None]
    lambdas = np.minimum(lambdas, bounds[:, 1:])[:, :, None]
    older = _older(before.ratio)
    ratio = np.minimum(older * np.exp(lambdas * (x - lambdas / 2)), CAP)
    ratio = np.where((rows > 0)[:, None, None], ratio, before.ratio)
    total = ratio.sum(axis=0)
    began = (total[:, :, ONSET[0]] >= 1) | (total[:, :, ONSET[1]] >= 1)
    return Evidence(
        ratio,
        np.where(began, before.rows + rows[:, None], 0.0),
        np.where(began, before.sums + (deviations * rows)[:, None], 0.0),
        np.where(began, np.where(before.since > 0, before.since, start), 0.0),
        np.where((rows > 0)[:, None], (signed >= STRONG) * 1.0, before.strong),
    )


def _older(ratio: Floats) -> Floats:
    """R one window later: a drift may begin now, all others are a window older, and the oldest two ages are added."""
    fresh = np.ones_like(ratio[:1])
    if len(ratio) == 1:
        return np.asarray(fresh + ratio)
    return np.concatenate([fresh, ratio[:-2], ratio[-2:].sum(axis=0, keepdims=True)])


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Evidence for values outside the reference: R of each column and assumed share (columns, shares)."""

    ratio: Floats
    rows: Floats
    outside: Floats
    since: Floats

    def mean(self) -> Floats:
        """The evidence of each column (columns,)."""
        return np.asarray(self.ratio.mean(axis=1))

    def share(self) -> Floats:
        """The share of values outside the reference since the evidence began (columns,)."""
        return np.divide(self.outside, self.rows, out=np.zeros_like(self.outside), where=self.rows > 0)


def begin_unseen(columns: int) -> Unseen:
    """No evidence."""
    zero = np.zeros(columns)
    return Unseen(np.zeros((columns, len(SHARES))), zero, zero, zero)


def advance_unseen(
    before: Unseen, outside: Floats, rows: Floats, expected: Floats, novel: np.ndarray, start: float
) -> Unseen:
    """Add one window's counts of values outside the reference, whose usual share of rows is at most `expected`.

    Assumed shares below twice that are ignored. Where new values are usual, `novel` (columns,), the assumed shares come
    on top of the usual one, and only those below half of it are ignored.
    """
    gain, telling = unseen_gain(outside, rows, expected, novel)
    ratio = np.minimum((1.0 + before.ratio) * np.exp(np.clip(gain, -700, 100)), CAP) * telling
    # For a small share, a single row remains evidence for many windows; the reset depends on a relevant share.
    began = (ratio[:, RELEVANT:].max(axis=1) >= 1) & (before.outside + outside > 0)
    return Unseen(
        ratio,
        np.where(began, before.rows + rows, 0.0),
        np.where(began, before.outside + outside, 0.0),
        np.where(began, np.where(before.since > 0, before.since, start), 0.0),
    )


def unseen_gain(
    outside: Floats, rows: Floats, expected: Floats, novel: np.ndarray
) -> tuple[Floats, np.ndarray]:
    """The log likelihood ratios of the assumed shares (columns, shares), and which of these are not ignored. One
    `expected` share and one `novel` may stand for several counts of one column.
    """
    bound = np.minimum(np.asarray(expected), 0.5)[..., None]
    new = np.asarray(novel)[..., None]
    telling = np.where(new, bound <= 2 * SHARES, 2 * bound <= SHARES)
    likely = np.where(telling, SHARES + bound * new, bound)
    gain = outside[:, None] * np.log(likely / bound) + (rows - outside)[:, None] * np.log(
        (1 - likely) / (1 - bound)
    )
    return np.asarray(gain), np.asarray(telling)


def per_column(values: Floats, column: Integers, columns: int) -> Floats:
    """Sums over the charts of each column (columns,)."""
    return np.asarray(np.bincount(column, values, columns), dtype=np.float64)
