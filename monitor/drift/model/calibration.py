"""The calibration: everything that is fitted on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.drift.columns import MISSING, Floats, Integers, WatchedColumn, WindowCounts, starts, total
from monitor.drift.model import fitting, season
from monitor.drift.model.control_charts import Charts
from monitor.drift.model.fitting import ReferenceEffects
from monitor.drift.model.scores import Family, Scores, build

MIN_ROWS = 20

# The smallest relevant effect of all columns together, in its own standard deviations: errors are slightly larger on
# new windows than on those that the season was fitted on.
DENSE_EFFECT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Scoring, the charts of the columns, and the one chart for many small shifts at once.

    `dense_scale` divides the raw effect of the last one. `seconds` is the length of a window, `start` and `end` the
    span of the reference, `windows` their number. `least` is the smallest relevant effect, `unseen` (columns,) the
    usual share of values outside the reference. `raised` multiplies the limit (see `monitor.drift.replay`).
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
    def columns(self) -> tuple[WatchedColumn, ...]:
        """The watched columns."""
        return self.scores.columns

    @property
    def novel(self) -> np.ndarray:
        """The columns in which new labels are usual, bool (columns,)."""
        return np.array([column.novelty > 0 for column in self.columns], dtype=bool)

    @property
    def silent(self) -> np.ndarray:
        """The columns without any value in the reference, bool (columns,)."""
        first = starts(self.columns)
        totals = np.add.reduceat(self.scores.reference, first[:-1]) if len(self.columns) else np.zeros(0)
        return np.asarray(totals - self.scores.reference[first[:-1] + MISSING] <= 0)


def carry_small_samples(sums: Floats, rows: Floats, carried: Floats) -> tuple[Floats, Floats, Floats]:
    """The sums and rows to evaluate, and those carried over: fewer than 20 rows of a chart wait for the next window.

    `carried` is (2, charts): sums and rows of the previous windows.
    """
    sums, rows = sums + carried[0], rows + carried[1]
    enough = rows >= MIN_ROWS
    waiting = np.where(enough, 0.0, np.stack([sums, rows]))
    return np.where(enough, sums, 0.0), np.where(enough, rows, 0.0), waiting


def fit(
    columns: Sequence[WatchedColumn],
    reference: Sequence[WindowCounts],
    *,
    min_effect: float = 0.1,
    zone: str = "UTC",
) -> Calibration:
    """Fit on the windows of a reference, in order and of one length.

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
        effects, rows, windows, kind, zone, gaps, scores.family, least, scores.leader, scores.column
    )
    charts = fitting.fit(observations)
    charts = replace(charts, tolerated=charts.tolerated + scores.expected_loss())
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
    """Fit the one chart for many small shifts at once; return it with the scale of its raw effect."""
    rows = reference.rows
    errors, responses, _ = fitting.replay(charts, reference.effects, rows, reference.cells, reference.gaps)
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
            column=alone,
        )
    )
    return dense, scale


def score_reference(scores: Scores, reference: Sequence[WindowCounts]) -> tuple[Floats, Floats]:
    """Effects and rows of each window and chart, small windows added to the next, both (windows, charts)."""
    effects = np.zeros((len(reference), scores.charts))
    rows = np.zeros_like(effects)
    carried: Floats = np.zeros((2, scores.charts))
    for t, item in enumerate(reference):
        sums, rows[t], carried = carry_small_samples(*scores.sums(item.counts), carried)
        effects[t] = scores.effects(sums, rows[t])
    return effects, rows


def distances(begun: Sequence[int], seconds: int) -> Floats:
    """The distance of each window from the previous one, in windows; 1 for the first."""
    return np.concatenate([[1.0], np.maximum(np.diff(np.array(begun, dtype=float)) / seconds, 1e-6)])


def density(scores: Scores, score: Floats, margin: Floats, observed: np.ndarray) -> float:
    """How much changed at once: the cube root of the mean squared score beyond the margin over the columns, nearly
    normal (Wilson and Hilferty). A column is represented by its location, or by the mean of its labels.
    """
    chosen = scores.representative & observed
    beyond = np.maximum(np.abs(score[chosen]) - margin[chosen], 0.0) ** 2
    owner: Integers = scores.column[chosen]
    count = np.bincount(owner, minlength=len(scores.columns))
    total = np.bincount(owner, beyond, len(scores.columns))
    has_score = count > 0
    return float(np.cbrt((total[has_score] / count[has_score]).mean())) if has_score.any() else 0.0
