"""The new normal: what was usual moves to what is seen since a date, with all else as it was learned."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.drift import codec, reference
from monitor.drift.columns import WindowCounts
from monitor.drift.decision.state import begin
from monitor.drift.learning import budget_of, storable
from monitor.drift.model import season
from monitor.drift.model.calibration import Calibration, score_reference
from monitor.drift.profile_columns import adapter
from monitor.drift.settings import DriftSettings
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.store import drift as stored_drift
from monitor.store.db import Store
from monitor.store.drift import StoredState
from monitor.windows.baseline import load

NO_VERDICTS = b"\x90"


def accepted(calibration: Calibration, windows: Sequence[WindowCounts]) -> Calibration:
    """Move each chart's mean to its mean over `windows`, season apart. Few windows leave it uncertain, and that is
    added to what is tolerated; the share of values never seen before becomes usual too.
    """
    scores, charts = calibration.scores, calibration.charts
    effects, rows = score_reference(scores, windows)
    effects = charts.coupling.remove(effects, rows)
    where = season.cells([item.window for item in windows], charts.season.scheme, calibration.zone)
    total = rows.sum(axis=0)
    deviations = ((effects - charts.mean - charts.season.offset[where]) * rows).sum(axis=0)
    moved = np.divide(deviations, total, out=np.zeros_like(total), where=total > 0)
    seen = np.maximum((rows > 0).sum(axis=0), 1)
    error = np.sqrt(
        1 / np.maximum(total, 1.0)
        + np.minimum(charts.autocorrelation.long_run_variance() / seen, charts.autocorrelation.variance)
    )
    found = np.array([scores.unseen_counts(item.counts) for item in windows]).sum(axis=0)
    usual = np.where(found[0] > 0, (found[0] + 3 * np.sqrt(found[0]) + 3) / np.maximum(found[1], 1.0), 0.0)
    return replace(
        calibration,
        charts=replace(charts, mean=charts.mean + moved, tolerated=charts.tolerated + error),
        unseen=np.minimum(np.maximum(calibration.unseen, usual), 0.5),
    )


def accept(
    store: Store, stream: Stream, settings: DriftSettings, base_seconds: int, since: float, until: float, now: float,
    author: str, models: int = 1,
) -> int:  # fmt: skip
    """Take the stream's state since `since` for the new normal; it is recorded. Returns how many windows it rests on.

    Raises:
        NotFoundError: the stream has no calibration, or no closed window since then.
    """
    with store.write() as connection:
        known, baseline = stored_drift.calibration(connection, stream), load(connection, stream)
        if known is None or baseline is None:
            raise NotFoundError(f"{stream} has no drift calibration yet", hint="see `watchkeeper status`")
        spans = reference.spans(since, until, known.seconds)
        held = reference.windows(
            connection, stream, baseline.layout, adapter(baseline.layout), base_seconds, spans
        )
        if not held:
            raise NotFoundError(
                f"no window of {stream} has closed since then", hint="give an earlier --since"
            )
        calibration = accepted(codec.decode_calibration(known.blob), held)
        made = storable(calibration, known.layout, budget_of(settings, models), settings, known.note, now)
        stored_drift.put_calibration(connection, stream, replace(made, accepted=True), now)
        fresh = replace(begin(calibration), last=held[-1].window.start)
        stored_drift.put_state(
            connection, stream, StoredState(spans[-1].end, codec.encode_state(fresh), NO_VERDICTS), now
        )
        stored_drift.put_acceptance(connection, stream, now, since, author)
        for incident in stored_drift.incidents(connection, stream):
            if incident.closed is None:
                stored_drift.put_incident(connection, stream, replace(incident, closed=now), now)
    return len(held)
