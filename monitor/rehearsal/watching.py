"""The windows of a past, judged one after the other."""

from collections.abc import Iterator, Sequence

import numpy as np

from monitor import drift
from monitor.drift.columns import Floats
from monitor.drift.telling import ALL
from monitor.drift.verdict import verdicts
from monitor.records import Stream
from monitor.rehearsal.result import Incident

_STREAM = Stream("", "rehearsal")


def watch_over(
    calibration: drift.Calibration,
    limits: Floats,
    budget: drift.Budget,
    windows: Sequence[drift.WindowCounts],
) -> Iterator[Incident]:
    """The incidents of some windows, each told when it is over, or at the end."""
    state, opened = drift.begin(calibration), None
    for counts in windows:
        state, judgement = drift.advance(calibration, state, counts, limits)
        if judgement.joined.any():
            told = {one.column or ALL: one for one in
                    verdicts(_STREAM, calibration, state, judgement, limits, budget)}  # fmt: skip
            names = [*(column.name for column in calibration.columns), ALL]
            joined = [names[i] for i in np.flatnonzero(judgement.joined)]
            strongest = max(joined, key=lambda name: told[name].evidence / told[name].limit)
            since = float(state.incident.since[judgement.joined].min())
            opened = (opened or Incident(counts.window.end, since)).joined_by(joined, told[strongest].reason)
        if opened is not None and judgement.closed:
            yield opened.closed_at(counts.window.end)
            opened = None
    if opened is not None:
        yield opened
