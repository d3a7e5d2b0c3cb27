"""The drift evaluation of a tick: evaluates the windows of a stream that closed since the last one.

It can be interrupted and repeated: a window is evaluated in the transaction that stores the state after it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
from sqlalchemy import Connection

from monitor.drift import codec, reference, window_length
from monitor.drift.columns import Floats, WindowCounts
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.decision.change_point import dated, span_needed
from monitor.drift.decision.decide import Decision, advance
from monitor.drift.decision.state import DecisionState, IncidentState, begin
from monitor.drift.decision.verdict import METRIC, DriftVerdict, measurements, verdicts
from monitor.drift.explain import attribution
from monitor.drift.explain.attribution import Cause
from monitor.drift.explain.drivers import drivers
from monitor.drift.explain.holidays import like_another_day
from monitor.drift.explain.impact import Impact, impacts
from monitor.drift.explain.incident_summary import ALL, CAUSES, page
from monitor.drift.explain.repetition import repetition
from monitor.drift.explain.segments import AffectedSegment, affected_segments, confined
from monitor.drift.learning import budget_of, is_special
from monitor.drift.model.calibration import Calibration
from monitor.drift.profile_columns import adapter
from monitor.drift.settings import DriftSettings
from monitor.records import Measurement, Stream, Window, labels
from monitor.store import drift as stored_drift
from monitor.store.completeness import first_waiting
from monitor.store.db import faults_of
from monitor.store.drift import StoredCalibration, StoredDriftIncident, StoredState, StoredVerdict
from monitor.windows.baseline import Baseline, load, load_ahead
from monitor.windows.profile import Profile

WORTH_KEEPING = 0.05
MOST_A_CALL = 200


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """The drift of a stream now. `measurements` and `verdicts` are those of the last evaluated window (of `seconds`).
    While drift may not page, the only measurement has no value and `note` is the reason. `meaning` explains the budget.
    """

    measurements: tuple[Measurement, ...] = ()
    verdicts: tuple[DriftVerdict, ...] = ()
    seconds: int = 0
    judged: int = 0
    note: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class _Subject:
    """The inputs of one stream's evaluation in one tick."""

    connection: Connection
    stream: Stream
    baseline: Baseline
    calibration: Calibration
    limits: Floats
    budget: Budget
    settings: DriftSettings
    base_seconds: int
    now: float


def evaluate(
    connection: Connection,
    stream: Stream,
    settings: DriftSettings,
    base_seconds: int,
    until: float,
    now: float,
    models: int = 1,
) -> DriftStatus:
    """Evaluate the windows that ended by `until` and were not evaluated yet. Returns the state of drift."""
    stored, baseline = stored_drift.calibration(connection, stream), load(connection, stream)
    fits = stored and baseline and stored.layout == baseline.layout.id and _is_readable(stored.blob)
    if not fits or stored is None or baseline is None or not math.isfinite(until):
        note = "drift is not evaluated yet: there is no baseline" if baseline is None else _waiting(baseline)
        moment = int(until if math.isfinite(until) else now)
        return DriftStatus(_not_measured(stream, Window(moment - base_seconds, moment), note), note=note)
    calibration, budget = _calibration(stored.blob), budget_of(settings, models)
    limit = budget.limit(stored.seconds, calibration.raised)
    needed = limits(calibration.columns, limit, settings.importance, calibration.silent)
    subject = _Subject(connection, stream, baseline, calibration, needed, budget, settings, base_seconds, now)
    before = stored_drift.state(connection, stream)
    closed = _closed(connection, stream, stored, before, settings, until)[:MOST_A_CALL]
    latest = _advance(subject, before, closed) if closed else _latest(connection, stream, before)
    note = stored.note or (
        "`drift.quiet` is set: drift is reported in the digest only" if settings.quiet else ""
    )
    because = _because(connection, stream, latest)
    return DriftStatus(
        _shown(stream, latest, note, Window(int(until) - stored.seconds, int(until)), because),
        tuple(latest),
        stored.seconds,
        len(closed),
        note,
        stored.meaning,
    )


def read_ahead(connection: Connection, some: Sequence[Stream]) -> None:
    """Read what `is_due` and `evaluate` need of each of these streams."""
    stored_drift.read_ahead(connection, some)
    load_ahead(connection, some)


def is_due(connection: Connection, stream: Stream, settings: DriftSettings, until: float) -> bool:
    """Whether a window closed that was not evaluated yet. If not, `evaluate` writes nothing."""
    stored = stored_drift.calibration(connection, stream)
    if stored is None or not math.isfinite(until):
        return False
    before = stored_drift.state(connection, stream)
    return bool(_closed(connection, stream, stored, before, settings, until))


def _closed(
    connection: Connection,
    stream: Stream,
    stored: StoredCalibration,
    before: StoredState | None,
    settings: DriftSettings,
    until: float,
) -> list[Window]:
    """The windows to evaluate next. Each is evaluated once, so those from the first with uncounted rows on wait: rows
    can arrive between counting and evaluating, and a backlog is not counted in one tick.
    """
    since = max(stored.end, before.judged_until if before else int(until) - int(settings.reference))
    spans = reference.spans(since, until, stored.seconds)
    if not spans:
        return []
    waiting = first_waiting(connection, stream, Window(spans[0].start, spans[-1].end))
    return spans if waiting is None else [span for span in spans if span.end <= waiting]


def _advance(subject: _Subject, before: StoredState | None, closed: list[Window]) -> list[DriftVerdict]:
    """Evaluate closed windows and store the state after them. Returns the last window's verdicts."""
    connection, stream = subject.connection, subject.stream
    layout = subject.baseline.layout
    state = begin(subject.calibration)
    if before:
        with faults_of(connection).isolate("drift_states", str(stream), in_transaction=True):
            state = codec.decode_state(before.blob)  # an unreadable state starts again
    latest = _latest(connection, stream, before)
    windows = reference.windows(connection, stream, layout, _adapter(layout), subject.base_seconds, closed)
    for counts in windows:
        if not is_special(counts.window, subject.settings):
            state, current = _judge(subject, state, counts)
            latest = current or latest
    after = StoredState(closed[-1].end, codec.encode_state(state), msgspec.msgpack.encode(latest))
    stored_drift.put_state(connection, stream, after, subject.now)
    return latest


def _judge(
    subject: _Subject, before: DecisionState, counts: WindowCounts
) -> tuple[DecisionState, list[DriftVerdict]]:
    """Evaluate one window. Returns the state after it and its verdicts; those worth explaining are stored."""
    after, decision = advance(subject.calibration, before, counts, subject.limits)
    recent = [counts]
    if decision.joined.any():
        recent = _recent(subject, after, decision, counts)
        after = dated(subject.calibration, after, decision, recent)
    results = verdicts(subject.stream, subject.calibration, after, decision, subject.limits, subject.budget)
    worth_storing = [
        StoredVerdict(
            result.window.start,
            result.column,
            result.evidence / result.limit,
            result.significant,
            result.reason,
        )
        for result in results
        if result.evidence >= WORTH_KEEPING * result.limit
    ]
    stored_drift.put_verdicts(subject.connection, subject.stream, worth_storing, subject.now)
    if decision.joined.any() or decision.closed:
        _record(subject, before, after, decision, results, recent)
    return after, results


def _recent(
    subject: _Subject, after: DecisionState, decision: Decision, counts: WindowCounts
) -> list[WindowCounts]:
    """The windows from which it is computed when the drift began; the last is the one just evaluated."""
    span, layout = span_needed(after, decision), subject.baseline.layout
    spans = reference.spans(span.start, counts.window.start, subject.calibration.seconds)
    past = reference.windows(
        subject.connection, subject.stream, layout, _adapter(layout), subject.base_seconds, spans
    )
    return [*(one for one in past if not is_special(one.window, subject.settings)), counts]


def _record(
    subject: _Subject,
    before: DecisionState,
    after: DecisionState,
    decision: Decision,
    results: list[DriftVerdict],
    recent: list[WindowCounts],
) -> None:
    """Store the change of the incident."""
    incident = after.incident if after.incident.is_open else before.incident
    opened = incident.opened if not decision.opened else after.incident.opened
    listed = stored_drift.incidents(subject.connection, subject.stream, opened)
    stored = next((one for one in listed if one.opened == opened), None)
    joined = [one for one, joins in zip(results, decision.joined, strict=True) if joins]
    begun, earliest, latest = _begun(incident, decision, stored)
    row = StoredDriftIncident(
        opened,
        float(decision.window.end) if decision.closed else None,
        begun,
        tuple(dict.fromkeys([*(stored.columns if stored else ()), *(one.column or ALL for one in joined)])),
        stored.reason if stored else _explained(subject, joined, results, begun, recent),
        earliest,
        latest,
    )
    stored_drift.put_incident(subject.connection, subject.stream, row, subject.now)


def _begun(
    incident: IncidentState, decision: Decision, stored: StoredDriftIncident | None
) -> tuple[float, float | None, float | None]:
    """When an incident began, with its bounds: those of the column that began first."""
    known = np.flatnonzero(incident.since > 0)
    if not known.size:
        return (
            (stored.since, stored.earliest, stored.latest)
            if stored
            else (float(decision.window.start), None, None)
        )
    first = int(known[incident.since[known].argmin()])
    if stored is not None and stored.since <= incident.since[first]:
        return stored.since, stored.earliest, stored.latest
    bounded = incident.latest[first] > 0
    bounds = (float(incident.earliest[first]), float(incident.latest[first])) if bounded else (None, None)
    return float(incident.since[first]), *bounds


def _explained(
    subject: _Subject,
    joined: list[DriftVerdict],
    results: list[DriftVerdict],
    since: float,
    recent: list[WindowCounts],
) -> str:
    """The reasons of the columns that opened an incident, and its likeliest causes."""
    moved = [one for one in recent if one.window.start >= since] or recent[-1:]
    causes = _causes(subject, results, since, moved)
    named = [f"{number}. {cause.words}" for number, cause in enumerate(causes, 1)]
    return "\n".join([*(one.reason for one in joined), CAUSES, *named])


def _causes(
    subject: _Subject, results: list[DriftVerdict], since: float, moved: list[WindowCounts]
) -> list[Cause]:
    """The likeliest causes; `moved` are the windows since the change began."""
    connection, stream, base = subject.connection, subject.stream, subject.base_seconds
    layout, end, scores = subject.baseline.layout, float(results[-1].window.end), subject.calibration.scores
    versions = attribution.arrivals(connection, stream, layout, base, since, end)
    now = attribution.since(connection, stream, layout, base, since, end)
    # The sample of the baseline is read only here: it is large, and incidents are rare.
    baseline = load(connection, stream, with_sample=True)
    impact: Mapping[str, Impact] = {}
    segments: list[AffectedSegment] = []
    if now is not None and baseline is not None:
        impact = impacts(baseline.sample, baseline.profile, now) if baseline.sample is not None else {}
        alarmed = [result.column for result in results if result.significant]
        before = _before(subject, since) or baseline.profile
        segments = [*confined(before, now, alarmed), *affected_segments(baseline.profile, now)]
    return attribution.causes(
        results,
        versions,
        subject.settings.importance,
        impact,
        segments,
        drivers(connection, stream, baseline or subject.baseline),
        repetition(scores.columns, scores.reference, moved),
        like_another_day(subject.calibration, moved),
    )


def _before(subject: _Subject, since: float) -> Profile | None:
    """The six hours before a change: unlike most baselines, they have the features by segment."""
    layout = subject.baseline.layout
    return attribution.since(
        subject.connection,
        subject.stream,
        layout,
        subject.base_seconds,
        since - 2 * attribution.LONGEST,
        since,
    )


def _because(connection: Connection, stream: Stream, latest: list[DriftVerdict]) -> str:
    """What a page says about the open incident; empty while none is open."""
    if not any(one.incident for one in latest):
        return ""
    newest = next(iter(stored_drift.incidents(connection, stream)), None)
    if newest is None or newest.closed is not None:
        return ""
    return page(newest, latest)


def _waiting(baseline: Baseline) -> str:
    return (
        f"drift is not evaluated yet: {window_length.LEAST_WINDOWS} windows counted with the present baseline "
        f"({baseline.source}) are needed, or twenty days of longer ones if there are few rows"
    )


def _shown(
    stream: Stream, latest: list[DriftVerdict], note: str, window: Window, because: str
) -> tuple[Measurement, ...]:
    if note:
        return _not_measured(stream, window, note)
    if not latest:  # nothing was evaluated since the last learning or acceptance
        return (Measurement(stream, window, METRIC, 0.0, labels=labels(scope="model")),)
    return tuple(measurements(latest, because))


def _not_measured(stream: Stream, window: Window, note: str) -> tuple[Measurement, ...]:
    return (Measurement(stream, window, METRIC, None, labels=labels(scope="model"), reason=note),)


def _latest(connection: Connection, stream: Stream, state: StoredState | None) -> list[DriftVerdict]:
    if state is not None:
        with faults_of(connection).isolate("drift_states", f"{stream}: verdicts", in_transaction=True):
            return msgspec.msgpack.decode(state.latest, type=list[DriftVerdict])
    return []


_is_readable = lru_cache(maxsize=64)(codec.is_current)
"""Whether a stored calibration has the current version. Others are soon learned again."""
_calibration = lru_cache(maxsize=64)(codec.decode_calibration)
_adapter = lru_cache(maxsize=64)(adapter)
