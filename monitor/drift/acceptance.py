"""Accepts a state of the data as the new normal: the reference means move to the means since a date."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.clock import iso
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
from monitor.store import audit
from monitor.store import drift as stored_drift
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.drift import StoredState
from monitor.windows.baseline import load

NO_VERDICTS = b"\x90"


def accepted(calibration: Calibration, windows: Sequence[WindowCounts]) -> Calibration:
    """Move each chart's mean to its mean over `windows`, with the season removed. The uncertainty of few windows is
    added to the tolerated effect, and the share of values outside the reference becomes usual too.
    """
    scores, charts = calibration.scores, calibration.charts
    effects, rows = score_reference(scores, windows)
    effects = charts.coupling.remove(effects, rows)
    where = season.cells([item.window for item in windows], charts.season.scheme, calibration.zone)
    rows = charts.season.weighed(rows, where)
    total = rows.sum(axis=0)
    deviations = ((effects - charts.mean - charts.season.offset[where]) * rows).sum(axis=0)
    moved = np.divide(deviations, total, out=np.zeros_like(total), where=total > 0)
    observed = np.maximum((rows > 0).sum(axis=0), 1)
    error = np.sqrt(
        1 / np.maximum(total, 1.0)
        + np.minimum(charts.autocorrelation.long_run_variance() / observed, charts.autocorrelation.variance)
    )
    unseen = np.array([scores.unseen_counts(item.counts) for item in windows]).sum(axis=0)
    usual = np.where(
        unseen[0] > 0, (unseen[0] + 3 * np.sqrt(unseen[0]) + 3) / np.maximum(unseen[1], 1.0), 0.0
    )
    return replace(
        calibration,
        charts=replace(charts, mean=charts.mean + moved, tolerated=charts.tolerated + error),
        unseen=np.minimum(np.maximum(calibration.unseen, usual), 0.5),
    )


def accept(
    store: Store, stream: Stream, settings: DriftSettings, base_seconds: int, since: float, until: float, now: float,
    author: str, models: int = 1, *, address: str,
) -> int:  # fmt: skip
    """Accept the stream's data since `since` as the new normal, and record it. Returns the number of windows used.
    `author` accepts it, at `address`.

    Raises:
        NotFoundError: the stream has no calibration, or no closed window since then.
    """
    with store.write() as connection:
        stored, baseline = stored_drift.calibration(connection, stream), load(connection, stream)
        if stored is None or baseline is None:
            raise NotFoundError(f"{stream} has no drift calibration yet", hint="see `watchkeeper status`")
        spans = reference.spans(since, until, stored.seconds)
        counts = reference.windows(
            connection, stream, baseline.layout, adapter(baseline.layout), base_seconds, spans
        )
        if not counts:
            raise NotFoundError(
                f"no window of {stream} has closed since then", hint="give an earlier --since"
            )
        calibration = accepted(codec.decode_calibration(stored.blob), counts)
        updated = storable(
            calibration, stored.layout, budget_of(settings, models), settings, stored.note, now
        )
        stored_drift.put_calibration(connection, stream, replace(updated, accepted=True), now)
        fresh = replace(begin(calibration), last=counts[-1].window.start)
        stored_drift.put_state(
            connection, stream, StoredState(spans[-1].end, codec.encode_state(fresh), NO_VERDICTS), now
        )
        stored_drift.put_acceptance(connection, stream, now, since, author)
        what = f"accept the data of {stream} since {iso(since)}"
        audit.add(connection, [AuditEntry(now, author, address, "change", stream.client, what, 200)])
        for incident in stored_drift.incidents(connection, stream):
            if incident.closed is None:
                stored_drift.put_incident(connection, stream, replace(incident, closed=now), now)
    return len(counts)
