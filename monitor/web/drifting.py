"""Drift as engineers read it: the newest incidents, what the last judged window shows, and what was accepted."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import drift
from monitor.store.drift import DriftIncident, StoredVerdict

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Drifting:
    """`window` is the last one that was judged, None before the first; `evidence` what is worth telling of it, the
    strongest first; `accepted` is (when, since when it is the new normal, by whom).
    """

    window: Window | None
    incidents: tuple[DriftIncident, ...]
    evidence: tuple[StoredVerdict, ...]
    accepted: tuple[tuple[float, float, str], ...]


def of_stream(connection: Connection, stream: Stream) -> Drifting:
    """How drift stands for one stream."""
    known, state = drift.calibration(connection, stream), drift.state(connection, stream)
    window: Window | None = None
    evidence: list[StoredVerdict] = []
    if known is not None and state is not None:
        window = Window(state.judged_until - known.seconds, state.judged_until)
        evidence = drift.verdicts(connection, stream, window.start, window.end)
    return Drifting(
        window,
        tuple(drift.incidents(connection, stream)[:MOST_SHOWN]),
        tuple(evidence[:MOST_SHOWN]),
        tuple(drift.acceptances(connection, stream)[:MOST_SHOWN]),
    )
