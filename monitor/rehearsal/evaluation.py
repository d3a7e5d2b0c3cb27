"""Evaluates the windows of a history, one after the other."""

from collections.abc import Iterator, Sequence

import numpy as np

from monitor import drift
from monitor.drift.columns import Floats
from monitor.drift.decision.verdict import verdicts
from monitor.drift.explain.incident_summary import ALL
from monitor.records import Stream
from monitor.rehearsal.result import RehearsedIncident

_STREAM = Stream("", "rehearsal")


def evaluate_windows(
    calibration: drift.Calibration,
    limits: Floats,
    budget: drift.Budget,
    windows: Sequence[drift.WindowCounts],
) -> Iterator[RehearsedIncident]:
    """The incidents of some windows, each yielded when it closes, or at the end."""
    state, opened = drift.begin(calibration), None
    for counts in windows:
        state, decision = drift.advance(calibration, state, counts, limits)
        if decision.joined.any():
            verdict_of = {verdict.column or ALL: verdict for verdict in
                    verdicts(_STREAM, calibration, state, decision, limits, budget)}  # fmt: skip
            names = [*(column.name for column in calibration.columns), ALL]
            joined = [names[i] for i in np.flatnonzero(decision.joined)]
            strongest = max(joined, key=lambda name: verdict_of[name].evidence / verdict_of[name].limit)
            since = float(state.incident.since[decision.joined].min())
            opened = (opened or RehearsedIncident(counts.window.end, since)).joined_by(
                joined, verdict_of[strongest].reason
            )
        if opened is not None and decision.closed:
            yield opened.closed_at(counts.window.end)
            opened = None
    if opened is not None:
        yield opened
