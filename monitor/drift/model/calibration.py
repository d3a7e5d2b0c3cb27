"""Everything that the reference says, fitted once and then only read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.drift.columns import MISSING, Column, Floats, Integers, WindowCounts, starts, total
from monitor.drift.model import fitting, season
from monitor.drift.model.control_charts import Charts
from monitor.drift.model.fitting import ReferenceEffects
from monitor.drift.model.scores import Family, Scores, build

MIN_ROWS = 20

# The smallest change that matters of what all columns show together, in its own standard deviations: errors are a
# little larger on new windows than on those that the season was learned from.
DENSE_EFFECT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Scoring, charts of the columns, and the one chart of many small shifts at once.

    `dense_scale` divides the last one's raw effect. `seconds` is the window's length, `start` and `end` the span of
    the reference, `windows` how many there were. `least` is the effect that must be exceeded, `unseen`
    the share of values never seen that is usual in each column. `raised` multiplies the
    limit (see `monitor.drift.replay`).
    """

    scores: Scores
    charts: Charts
    dense: Charts
    dense_scale: float
    seconds: int
    start: int
    end: int
    windows: int
    zone: str
    least: float
    unseen: Floats
    raised: float = 1.0

    @property
    def columns(self) -> tuple[Column, ...]:
        """The watched columns."""
        return self.scores.columns

    @property
    def silent(self) -> np.ndarray:
        """Which columns had no value in the reference, bool (columns,)."""
        first = starts(self.columns)
        totals = np.add.reduceat(self.scores.reference, first[:-1]) if len(self.columns) else np.zeros(0)
        return np.asarray(totals - self.scores.reference[first[:-1] + MISSING] <= 0)


def carry_small_samples(sums: Floats, rows: Floats, carried: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums and rows to judge, and what is carried over: fewer than 20 rows of a chart wait for the next window.

    `carried` is (2, charts): sums and rows of the windows before.
    """
    sums, rows = sums + carried[0], rows + carried[1]
    enough = rows >= MIN_ROWS
    rest = np.where(enough, 0.0, np.stack([sums, rows]))
    return np.where(enough, sums, 0.0), np.where(enough, rows, 0.0), rest


def fit(
    columns: Sequence[Column],
    reference: Sequence[WindowCounts],
    *,
    min_effect: float = 0.1,
    zone: str = "UTC",
) -> Calibration:
    """Fit on the windows of a reference period, which are in order and of one length.

    Raises:
        ValueError: fewer than two windows.
    """
    if len(reference) < 2:
        raise ValueError("a calibration needs at least two windows")
    windows = [item.window for item in reference]
    scores = build(columns, total(reference))
    effects, rows = score_reference(scores, reference)
    kind = season.scheme(windows)
    gaps = distances([window.start for window in windows], windows[0].seconds)
    least = np.full(scores.charts, min_effect)
    observations = ReferenceEffects(
        effects, rows, windows, kind, zone, gaps, scores.family, least, scores.leader
    )
    charts = fitting.fit(observations)
    dense, scale = _fit_dense(scores, charts, observations)
    return Calibration(
        scores=scores,
        charts=charts,
        dense=dense,
        dense_scale=scale,
        seconds=windows[0].seconds,
        start=windows[0].start,
        end=windows[-1].end,
        windows=len(windows),
        zone=zone,
        least=min_effect,
        unseen=scores.unseen_share,
    )


def _fit_dense(scores: Scores, charts: Charts, reference: ReferenceEffects) -> tuple[Charts, float]:
    """Fit the one chart of many small shifts at once; return it with the scale of its raw effect."""
    rows = reference.rows
    errors, responses = fitting.replay(charts, reference.effects, rows, reference.cells, reference.gaps)
    together = np.array(
        [
            density(scores, charts.tails.normal(e, charts.family), charts.tolerated * one, r > 0)
            for e, one, r in zip(errors, responses, rows, strict=True)
        ]
    )[:, None]
    scale = max(float(together.std()), 1e-9)
    family, alone = np.array([Family.GLOBAL], dtype=np.int64), np.zeros(1, dtype=np.int64)
    ones = np.ones_like(together)
    dense = fitting.fit(
        replace(
            reference,
            effects=together / scale,
            rows=ones,
            family=family,
            least=np.full(1, DENSE_EFFECT),
            leader=alone,
        )
    )
    return dense, scale


def score_reference(scores: Scores, reference: Sequence[WindowCounts]) -> tuple[Floats, Floats]:
    """Effects and rows of each window and chart, thin windows rolled into the next: two arrays (windows, charts)."""
    effects = np.zeros((len(reference), scores.charts))
    rows = np.zeros_like(effects)
    carried: Floats = np.zeros((2, scores.charts))
    for t, item in enumerate(reference):
        sums, rows[t], carried = carry_small_samples(*scores.sums(item.counts), carried)
        effects[t] = scores.effects(sums, rows[t])
    return effects, rows


def distances(begun: Sequence[int], seconds: int) -> Floats:
    """How many windows after the one before each begins; 1 for the first."""
    return np.concatenate([[1.0], np.maximum(np.diff(np.array(begun, dtype=float)) / seconds, 1e-6)])


def density(scores: Scores, score: Floats, margin: Floats, observed: np.ndarray) -> float:
    """How much moved at once: the cube root of the columns' mean squared score beyond the margin, which is nearly
    normal (Wilson and Hilferty). A column speaks with its location, or the mean of its labels.
    """
    chosen = ((scores.family == Family.LOCATION) | (scores.family == Family.LEVEL)) & observed
    beyond = np.maximum(np.abs(score[chosen]) - margin[chosen], 0.0) ** 2
    owner: Integers = scores.column[chosen]
    count = np.bincount(owner, minlength=len(scores.columns))
    total = np.bincount(owner, beyond, len(scores.columns))
    seen = count > 0
    return float(np.cbrt((total[seen] / count[seen]).mean())) if seen.any() else 0.0
