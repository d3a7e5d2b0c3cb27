"""Drift for engineers: the newest incidents, the evidence in the last evaluated window, and accepted changes."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import drift
from monitor.store.drift import StoredDriftIncident, StoredVerdict

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class DriftView:
    """`window` is the last evaluated one, None before the first; `evidence` its verdicts, strongest first; `accepted`
    is (when, from when on it is the new reference, by whom).
    """

    window: Window | None = None
    incidents: tuple[StoredDriftIncident, ...] = ()
    evidence: tuple[StoredVerdict, ...] = ()
    accepted: tuple[tuple[float, float, str], ...] = ()


def of_stream(connection: Connection, stream: Stream) -> DriftView:
    """The drift of one stream."""
    calibration, state = drift.calibration(connection, stream), drift.state(connection, stream)
    window: Window | None = None
    evidence: list[StoredVerdict] = []
    if calibration is not None and state is not None:
        window = Window(state.judged_until - calibration.seconds, state.judged_until)
        evidence = drift.verdicts(connection, stream, window.start, window.end)
    return DriftView(
        window,
        tuple(drift.incidents(connection, stream)[:MOST_SHOWN]),
        tuple(evidence[:MOST_SHOWN]),
        tuple(drift.acceptances(connection, stream)[:MOST_SHOWN]),
    )
