"""What a tick calls for each stream: judge the evaluation windows that closed since, and say how things stand.

It can be killed and run again: a window is judged in the transaction that stores the state after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from monitor.drift import codec, reference
from monitor.drift import replay as replaying
from monitor.drift.adapter import Adapter, adapter
from monitor.drift.budget import Budget, limits
from monitor.drift.calibration import Calibration
from monitor.drift.columns import Floats, WindowCounts
from monitor.drift.decide import Judgement, advance
from monitor.drift.learning import budget_of, is_special
from monitor.drift.settings import DriftSettings
from monitor.drift.state import State, begin
from monitor.drift.verdict import METRIC, DriftVerdict, measurements, verdicts
from monitor.records import Measurement, Stream, Window, labels
from monitor.store import drift as stored_drift
from monitor.store.drift import DriftIncident, StoredState, StoredVerdict
from monitor.windows.baseline import Baseline, load

WORTH_KEEPING = 0.05
MOST_A_CALL = 200
GROWTH = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a stream's drift now. `measurements` and `verdicts` are those of the last judged window (of
    `seconds`); while drift may not page, the one measurement says why, and `note` says it in words. `meaning` is what
    the budget means.
    """

    measurements: tuple[Measurement, ...] = ()
    verdicts: tuple[DriftVerdict, ...] = ()
    seconds: int = 0
    judged: int = 0
    note: str = ""
    meaning: str = ""


def watch(
    connection: Connection,
    stream: Stream,
    settings: DriftSettings,
    base_seconds: int,
    until: float,
    now: float,
    models: int = 1,
) -> Watched:
    """Judge the evaluation windows that ended by `until` and were not judged yet, and say how things stand."""
    known, baseline = stored_drift.calibration(connection, stream), load(connection, stream)
    if known is None or baseline is None or known.layout != baseline.layout.id:
        note = "drift is not judged yet: there is no baseline" if baseline is None else _waiting(baseline)
        return Watched(_not_measured(stream, Window(int(until) - base_seconds, int(until)), note), note=note)
    before = stored_drift.state(connection, stream)
    calibration = _calibration(known.blob)
    budget = budget_of(settings, models)
    needed = limits(calibration.columns, budget.limit(known.seconds, calibration.raised), settings.importance)
    since = before.judged_until if before else max(known.end, int(until) - int(settings.reference))
    closed = reference.spans(since, until, known.seconds)[:MOST_A_CALL]
    latest: list[DriftVerdict] = []
    if closed:
        state = codec.decode_state(before.blob) if before else begin(calibration)
        held = reference.windows(
            connection, stream, baseline.layout, _adapter(baseline), base_seconds, closed
        )
        steps = list(_judge(connection, stream, calibration, state, held, needed, budget, settings, now))
        state, latest = steps[-1] if steps else (state, _latest(before))
        after = StoredState(closed[-1].end, codec.encode_state(state), msgspec.msgpack.encode(latest))
        stored_drift.put_state(connection, stream, after, now)
    else:
        latest = _latest(before)
    note = known.note or ("drift is set to be quiet: it is told in the digest only" if settings.quiet else "")
    return Watched(
        _shown(stream, latest, note, Window(int(until) - known.seconds, int(until))),
        tuple(latest),
        known.seconds,
        len(closed),
        note,
        known.meaning,
    )


def _judge(
    connection: Connection,
    stream: Stream,
    calibration: Calibration,
    state: State,
    held: list[WindowCounts],
    needed: Floats,
    budget: Budget,
    settings: DriftSettings,
    now: float,
) -> Iterator[tuple[State, list[DriftVerdict]]]:
    for counts in held:
        if is_special(counts.window, settings):
            continue
        before = state
        state, judgement = advance(calibration, state, counts, needed)
        found = verdicts(stream, calibration, state, judgement, needed, budget)
        _record(connection, stream, before, state, judgement, found, now)
        yield state, found


def _record(
    connection: Connection,
    stream: Stream,
    before: State,
    after: State,
    judgement: Judgement,
    found: list[DriftVerdict],
    now: float,
) -> None:
    told = [verdict for verdict in found if verdict.evidence >= WORTH_KEEPING * verdict.limit]
    stored_drift.put_verdicts(
        connection,
        stream,
        [
            StoredVerdict(v.window.start, v.column, v.evidence / v.limit, v.significant, v.reason)
            for v in told
        ],
        now,
    )
    if not (judgement.joined.any() or judgement.closed):
        return
    incident = after.incident if after.incident.is_open else before.incident
    opened = after.incident.opened if after.incident.is_open else before.incident.opened
    known = {one.opened: one for one in stored_drift.incidents(connection, stream, opened)}.get(opened)
    names = [v.column or "all columns" for v, joined in zip(found, judgement.joined, strict=True) if joined]
    reasons = [v.reason for v, joined in zip(found, judgement.joined, strict=True) if joined]
    row = DriftIncident(
        opened,
        float(judgement.window.end) if judgement.closed else None,
        min(
            known.since if known else float("inf"),
            *(s for s in incident.since if s > 0),
            float(judgement.window.end),
        ),
        tuple(dict.fromkeys([*(known.columns if known else ()), *names])),
        known.reason if known else "\n".join(reasons),
    )
    stored_drift.put_incident(connection, stream, row, now)


def _waiting(baseline: Baseline) -> str:
    return (
        f"drift is not judged yet: {replaying.LEAST_WINDOWS} windows counted with the present baseline "
        f"({baseline.source}) are needed"
    )


def _shown(stream: Stream, latest: list[DriftVerdict], note: str, window: Window) -> tuple[Measurement, ...]:
    if note:
        return _not_measured(stream, window, note)
    return tuple(measurements(latest))


def _not_measured(stream: Stream, window: Window, note: str) -> tuple[Measurement, ...]:
    return (Measurement(stream, window, METRIC, None, labels=labels(scope="model"), reason=note),)


def _latest(state: StoredState | None) -> list[DriftVerdict]:
    return [] if state is None else msgspec.msgpack.decode(state.latest, type=list[DriftVerdict])


_CALIBRATIONS: dict[bytes, Calibration] = {}
_ADAPTERS: dict[str, Adapter] = {}


def _calibration(blob: bytes) -> Calibration:
    if blob not in _CALIBRATIONS:
        if len(_CALIBRATIONS) >= 64:
            _CALIBRATIONS.clear()
        _CALIBRATIONS[blob] = codec.decode_calibration(blob)
    return _CALIBRATIONS[blob]


def _adapter(baseline: Baseline) -> Adapter:
    if baseline.layout.id not in _ADAPTERS:
        _ADAPTERS[baseline.layout.id] = adapter(baseline.layout)
    return _ADAPTERS[baseline.layout.id]
