"""Evaluates the windows of a history, one after the other."""

from collections.abc import Iterator, Sequence

import numpy as np

from monitor import drift
from monitor.drift.columns import Floats
from monitor.drift.decision.change_point import MOST_WINDOWS
from monitor.drift.decision.verdict import verdicts
from monitor.drift.explain.holidays import like_another_day
from monitor.drift.explain.incident_summary import ALL
from monitor.drift.explain.repetition import repetition
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
    for place, counts in enumerate(windows, 1):
        state, decision = drift.advance(calibration, state, counts, limits)
        if decision.joined.any():
            span = drift.span_needed(state, decision)
            recent = [
                window
                for window in windows[max(place - MOST_WINDOWS, 0) : place]
                if window.window.start >= span.start
            ]
            state = drift.dated(calibration, state, decision, recent)
            verdict_of = {verdict.column or ALL: verdict for verdict in
                    verdicts(_STREAM, calibration, state, decision, limits, budget)}  # fmt: skip
            names = [*(column.name for column in calibration.columns), ALL]
            joined = [names[i] for i in np.flatnonzero(decision.joined)]
            strongest = max(joined, key=lambda name: verdict_of[name].evidence / verdict_of[name].limit)
            opened = opened or _begun(state, decision)
            since = [one for one in recent if one.window.start >= opened.since]
            said = [verdict_of[strongest].reason, *_known(calibration, since, joined)]
            opened = opened.joined_by(joined, "; ".join(said))
        if opened is not None and decision.closed:
            yield opened.closed_at(counts.window.end)
            opened = None
    if opened is not None:
        yield opened


def _known(
    calibration: drift.Calibration, since: Sequence[drift.WindowCounts], joined: Sequence[str]
) -> list[str]:
    """What counts since the drift began say of its cause: rows that repeat, another day, values of the columns."""
    found = repetition(calibration.columns, calibration.scores.reference, since)
    of_columns = [
        f"{name.removeprefix('features.')}: {words}"
        for name, words in found.columns.items()
        if name in joined
    ]
    return [words for words in (found.rows, like_another_day(calibration, since), *of_columns) if words]


def _begun(state: drift.DecisionState, decision: drift.Decision) -> RehearsedIncident:
    """The incident that opens with a decision: it began with the first of its columns."""
    joined = np.flatnonzero(decision.joined)
    incident = state.incident
    first = int(joined[incident.since[joined].argmin()])
    return RehearsedIncident(
        decision.window.end,
        float(incident.since[first]),
        float(incident.earliest[first]),
        float(incident.latest[first]),
    )
