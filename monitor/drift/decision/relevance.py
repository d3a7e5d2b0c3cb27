"""Evidence counts for an alarm only where the change is relevant: large enough, and surely more than half of that."""

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.decision.budget import GLOBAL_SHARE
from monitor.drift.decision.e_detector import Evidence, per_column
from monitor.drift.decision.state import DecisionState
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.scores import UNSEEN_WEIGHT


def ratios(
    calibration: Calibration, state: DecisionState, limits: Floats, broken: np.ndarray
) -> tuple[Floats, Floats]:
    """The evidence of each column, and of all together, over its limit, both (columns + 1,): as it is shown, and as it
    counts for an alarm. `broken` (columns,) is -1 for columns that did not break in this window.

    Charts with a relevant effect must carry at least half of the required evidence; for an alarm, with one that is
    relevant beyond doubt (`is_relevant`). All columns together are significant if those moved that are not significant
    alone: one large change is not one of many columns.
    """
    scores, columns = calibration.scores, len(calibration.columns)
    part = state.evidence.mean() * scores.weight[:, None]
    large = state.evidence.effect() >= calibration.least
    sure = is_relevant(state.evidence, calibration.least, float(limits[-1]) * GLOBAL_SHARE)
    new = state.unseen.mean() * UNSEEN_WEIGHT
    new_relevant = new * (state.unseen.share() >= calibration.least**2 / 2)
    everything = per_column(part.sum(axis=1), scores.column, columns) + new
    shown, counted = (
        np.minimum(
            everything, 2 * (per_column((part * one).sum(axis=1), scores.column, columns) + new_relevant)
        )
        / limits[:-1]
        for one in (large, sure)
    )
    others = (counted < 1) & (broken < 0) & ~state.incident.member[:-1]
    moved = spread(calibration, state, others) >= calibration.least / 2
    together = 2 * state.dense.mean()[0, 0] * moved / limits[-1]
    return np.append(shown, together), np.append(counted, together)


def is_relevant(evidence: Evidence, least: float, limit: float) -> np.ndarray:
    """Whether the mean effect of each sign since its evidence began is relevant, bool (charts, 2): at least the
    smallest relevant one, and likelier than half of it by the factor `limit`. A smaller effect that lasts, such as that
    of prices which rise with inflation, has evidence enough, and the mean of a few windows exceeds any size by chance.
    """
    effect = evidence.effect()
    distance = np.maximum(effect - least / 2, 0.0)
    return np.asarray((effect >= least) & (distance**2 * evidence.rows / 2 >= np.log(max(limit, 1.0))))


def spread(calibration: Calibration, state: DecisionState, columns: np.ndarray | None = None) -> float:
    """Root mean square effect of all columns, or of some, bool (columns,), since their common evidence began, minus the
    part that noise explains.
    """
    rows = state.dense_rows
    chosen = calibration.scores.representative & (rows > 0)
    if columns is not None:
        chosen &= columns[calibration.scores.column]
    if not chosen.any():
        return 0.0
    effect = state.dense_sums[chosen] / rows[chosen]
    windows = np.maximum(rows[chosen] / np.maximum(calibration.charts.typical_rows[chosen], 1e-9), 1.0)
    chance = 1 / rows[chosen] + np.minimum(
        calibration.charts.autocorrelation.long_run_variance()[chosen] / windows,
        calibration.charts.autocorrelation.variance[chosen],
    )
    return float(np.sqrt(max((effect**2 - chance).mean(), 0.0)))
