"""What is remembered between windows: immutable arrays, written and read bit by bit."""

from dataclasses import dataclass

import numpy as np

from monitor.drift import charts as chart_room
from monitor.drift import evidence as evidence_room
from monitor.drift import present as present_room
from monitor.drift.calibration import Calibration
from monitor.drift.charts import Filter
from monitor.drift.columns import Floats, Integers
from monitor.drift.evidence import Evidence, Unseen
from monitor.drift.present import Present


@dataclass(frozen=True, slots=True, eq=False)
class Incident:
    """One open drift incident. `member` says of each column, and last of all columns together, whether it belongs
    to it; `quiet` for how many windows its effect has been small; `since` when its evidence began. `involved`
    (charts,) are the charts by which columns came to it.
    """

    number: int
    opened: float
    member: np.ndarray
    quiet: Integers
    since: Floats
    involved: np.ndarray

    @property
    def is_open(self) -> bool:
        """Does any column still belong to it?"""
        return bool(self.member.any())


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Filters, evidence, thin windows that wait, effects of late, and the incident.

    `last` is the start of the window judged last (-1 before the first). `dense_sums` and `dense_rows` (charts,) add up
    what each chart showed since the evidence of all columns together began.
    """

    last: int
    judged: int
    filter: Filter
    evidence: Evidence
    unseen: Unseen
    dense_filter: Filter
    dense: Evidence
    dense_sums: Floats
    dense_rows: Floats
    carried: Floats
    present: Present
    incident: Incident


def begin(calibration: Calibration) -> State:
    """The state before the first window."""
    charts, columns = calibration.scores.charts, len(calibration.columns)
    zero = np.zeros(charts)
    none = np.zeros(columns + 1)
    return State(
        last=-1,
        judged=0,
        filter=chart_room.begin(calibration.charts),
        evidence=evidence_room.begin(charts, chart_room.AGES),
        unseen=evidence_room.begin_unseen(columns),
        dense_filter=chart_room.begin(calibration.dense),
        dense=evidence_room.begin(1, chart_room.AGES),
        dense_sums=zero,
        dense_rows=zero,
        carried=np.zeros((2, charts)),
        present=present_room.begin(calibration),
        incident=Incident(0, 0.0, none.astype(bool), none.astype(np.int64), none, zero.astype(bool)),
    )
