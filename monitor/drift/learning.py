"""Learning from a stream's past: when it is time to, and what is kept of it.

Slow (it reads up to a month of profiles, fits and replays), and done a few times in a stream's life.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.drift import codec, power, reference
from monitor.drift import replay as replaying
from monitor.drift.adapter import adapter
from monitor.drift.budget import Budget, limits
from monitor.drift.calibration import Calibration, fit
from monitor.drift.columns import Column, WindowCounts
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import drift as stored_drift
from monitor.store.db import Store
from monitor.store.drift import StoredCalibration
from monitor.store.settled import is_settled
from monitor.windows.baseline import Baseline, load

GROWTH = 2


def prepare(
    store: Store,
    stream: Stream,
    settings: DriftSettings,
    base_seconds: int,
    until: float,
    now: float,
    models: int = 1,
) -> bool:
    """Learn from the stream's past if there is enough of it and it was not learned yet. True if a calibration was made.

    `until` is up to when windows are closed; `models` how many share the budget if its scope is the fleet.
    """
    with store.read() as connection:
        made = _learn(connection, stream, settings, base_seconds, until, now, models)
    if made is None:
        return False
    with store.write() as connection:
        stored_drift.put_calibration(connection, stream, made, now)
        stored_drift.delete_state(connection, stream)
    return True


def _learn(
    connection: Connection,
    stream: Stream,
    settings: DriftSettings,
    base: int,
    until: float,
    now: float,
    models: int,
) -> StoredCalibration | None:
    baseline = load(connection, stream)
    span = reference.period(connection, stream, baseline, base, until, settings) if baseline else None
    if baseline is None or span is None or not _is_due(connection, stream, baseline, span, settings):
        return None
    if not is_settled(connection, stream, base, baseline.layout.id, Window(*span)):
        return None
    layout, whole = baseline.layout, Window(*span)
    unit = reference.unit(connection, stream, layout, base, whole, settings)
    rows = reference.rows_within(connection, stream, layout, base, whole, unit)
    seconds = reference.length(rows, whole.seconds, unit, settings)
    watched = adapter(baseline.layout)
    days = [w for w in reference.spans(*span, seconds) if not is_special(w, settings)]
    windows = reference.windows(connection, stream, baseline.layout, watched, base, days)
    if len(windows) < replaying.LEAST_WINDOWS or not watched.columns:
        return None
    budget = budget_of(settings, models)
    calibration = learn(watched.columns, windows, budget, settings)
    note = replaying.too_little(span[0], span[1], len(windows))
    return storable(calibration, baseline.layout.id, budget, settings, note, now)


def learn(
    columns: Sequence[Column], windows: Sequence[WindowCounts], budget: Budget, settings: DriftSettings
) -> Calibration:
    """What the windows of a reference teach, with the limit raised by what replaying them would have alarmed."""
    effect, zone = settings.min_effect, settings.time_zone
    replayed = replaying.replay(columns, windows, budget, min_effect=effect, zone=zone)
    return replaying.checked(fit(columns, windows, min_effect=effect, zone=zone), replayed)


def _is_due(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    span: tuple[int, int],
    settings: DriftSettings,
) -> bool:
    """Nothing learned yet, or by another version, of another layout or with other settings, or twice as much past as
    then. An accepted state is not unlearned, and an open incident is not learned from.
    """
    known = stored_drift.calibration(connection, stream)
    if known is None or known.layout != baseline.layout.id or not codec.is_current(known.blob):
        return True
    if known.accepted or any(one.closed is None for one in stored_drift.incidents(connection, stream)):
        return False
    if codec.learned_with(known.blob) != (settings.min_effect, settings.time_zone):
        return True
    return span[1] - span[0] >= GROWTH * (known.end - known.start)


def is_special(window: Window, settings: DriftSettings) -> bool:
    """Does the window begin on a day that is not judged?"""
    zone = ZoneInfo(settings.time_zone)
    return datetime.fromtimestamp(window.start, zone).date() in settings.special_days


def budget_of(settings: DriftSettings, models: int) -> Budget:
    """One model's budget."""
    return settings.budget.over(models) if settings.scope == "fleet" else settings.budget


def storable(
    calibration: Calibration, layout: str, budget: Budget, settings: DriftSettings, note: str, now: float
) -> StoredCalibration:
    """A calibration as it is stored, with the reason why it may not page, if any, and what its budget means."""
    limit = budget.limit(calibration.seconds, calibration.raised)
    needed = limits(calibration.columns, limit, settings.importance, calibration.silent)
    return StoredCalibration(
        now,
        layout,
        calibration.seconds,
        calibration.start,
        calibration.end,
        calibration.windows,
        False,
        f"drift is told in the digest only: {note}" if note else "",
        power.meaning(calibration, needed, budget),
        codec.encode_calibration(calibration),
    )
