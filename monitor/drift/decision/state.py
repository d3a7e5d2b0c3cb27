"""The state between windows: immutable arrays, stored and restored bit by bit."""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Integers
from monitor.drift.decision import current_effect, e_detector, recovery
from monitor.drift.decision.current_effect import CurrentEffect
from monitor.drift.decision.e_detector import Evidence, Unseen
from monitor.drift.decision.recovery import Recovery
from monitor.drift.model import kalman_filter
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.kalman_filter import KalmanState


@dataclass(frozen=True, slots=True, eq=False)
class IncidentState:
    """The drift incident. `member` (columns + 1,) marks the columns that belong to it, last all columns together;
    `quiet` counts the windows in which their effect has been small; `since` is when their drift began, and `earliest`
    and `latest` bound that (0 where it is not known). `involved` (charts,) are the charts by which columns joined.

    Columns that join long after the others are another wave, which is paged by itself: `wave` (columns + 1,) is the
    wave that each column joined with (0: no member), `joined` when a column joined last, and `waves` the highest number
    of waves so far.
    """

    number: int
    opened: float
    member: np.ndarray
    quiet: Integers
    since: Floats
    involved: np.ndarray
    wave: Integers
    joined: float
    waves: int
    earliest: Floats
    latest: Floats

    @property
    def is_open(self) -> bool:
        """Whether any column belongs to it."""
        return bool(self.member.any())


@dataclass(frozen=True, slots=True, eq=False)
class DecisionState:
    """Filters, evidence, small windows carried over, current effects and the incident.

    `last` is the start of the last evaluated window (-1 before the first). `dense_sums` and `dense_rows` (charts,) sum
    the effects of each chart since the evidence of all columns together began.
    """

    last: int
    judged: int
    filter: KalmanState
    evidence: Evidence
    unseen: Unseen
    dense_filter: KalmanState
    dense: Evidence
    dense_sums: Floats
    dense_rows: Floats
    carried: Floats
    present: CurrentEffect
    incident: IncidentState
    recovery: Recovery

    def dense_effect(self) -> Floats:
        """The mean effect of each chart since the evidence of all columns together began (charts,)."""
        rows = self.dense_rows
        return np.divide(self.dense_sums, rows, out=np.zeros_like(rows), where=rows > 0)


def begin(calibration: Calibration) -> DecisionState:
    """The state before the first window."""
    charts, columns = calibration.scores.charts, len(calibration.columns)
    zero = np.zeros(charts)
    none = np.zeros(columns + 1)
    return DecisionState(
        last=-1,
        judged=0,
        filter=kalman_filter.begin(calibration.charts.autocorrelation, calibration.charts.season),
        evidence=e_detector.begin(charts, kalman_filter.AGES),
        unseen=e_detector.begin_unseen(columns),
        dense_filter=kalman_filter.begin(calibration.dense.autocorrelation, calibration.dense.season),
        dense=e_detector.begin(1, kalman_filter.AGES),
        dense_sums=zero,
        dense_rows=zero,
        carried=np.zeros((2, charts)),
        present=current_effect.begin(calibration),
        incident=IncidentState(
            0,
            0.0,
            none.astype(bool),
            none.astype(np.int64),
            none,
            zero.astype(bool),
            none.astype(np.int64),
            0.0,
            1,
            none,
            none,
        ),
        recovery=recovery.begin(charts, columns),
    )
