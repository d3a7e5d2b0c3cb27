"""Deletes data past its retention, in small transactions, so that writers never wait long."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.predictions.settings import PredictionSettings
from monitor.store import (
    alerts,
    audit_checkpoints,
    baselines,
    change_subscriptions,
    daily_summaries,
    diagnoses,
    digests,
    drift,
    gauges,
    half_calls,
    idempotency,
    incident_notes,
    incidents,
    lake_profiles,
    measurements,
    outbox,
    outcomes,
    probes,
    profiles,
    quarantine,
    rollback_drills,
    rollback_stops,
    rollbacks,
    rollouts,
    scores,
    sessions,
    silences,
    silent_streams,
    site_state,
    site_windows,
    targets,
    texts,
    uptime,
    waiting_calls,
    waiting_runs,
    webhook_deliveries,
)
from monitor.store.audit_checkpoints import Signer
from monitor.store.audited_deletions import AuditedDeletions
from monitor.store.db import Store
from monitor.store.retention import Aged, Prefix, delete_old, with_old
from monitor.store.settings import StoreSettings
from monitor.windows.settings import WindowSettings

IsChosen = Callable[[Prefix], bool]
_MOST_ROUNDS = 1000
_KEYS_PER_TRANSACTION = 50


def delete_expired(
    store: Store,
    settings: StoreSettings,
    predictions: PredictionSettings,
    windows: WindowSettings,
    now: float,
    signer: Signer | None = None,
) -> int:
    """Delete what is past its retention at `now` (seconds since the epoch); the number of rows. Safe to run again.
    The audit log has an entry for each client of whom something is deleted.

    `signer` signs the checkpoints of the audit log.
    """
    figures, deliveries = now - windows.retention, now - settings.keep_deliveries
    fine = now - min(windows.fine_retention, windows.retention)
    aged: Sequence[tuple[Aged, float, IsChosen]] = (
        (outcomes.AGED_PREDICTIONS, now - predictions.retention, _all),
        (profiles.AGED, figures, _all),
        (profiles.AGED, fine, lambda prefix: prefix[1] > predictions.base_window),
        (lake_profiles.AGED, figures, _all),
        (site_windows.AGED, figures, _all),
        (site_state.AGED_BASES, figures, _all),
        (site_state.AGED_CHANGES, figures, _all),
        (measurements.AGED, figures, _all),
        (measurements.AGED, fine, lambda prefix: prefix[1] < HOUR),
        (drift.AGED_VERDICTS, deliveries, _all),
        (probes.AGED, deliveries, _all),
        (gauges.AGED, now - settings.keep_gauges, _all),
    )
    steps = _steps(settings, predictions, windows, now, signer or Signer())
    run = AuditedDeletions(store, "delete what is past its retention", now)
    by_key = sum(_delete_by_key(store, run, table, before, is_chosen) for table, before, is_chosen in aged)
    return by_key + sum(_repeat(run, step) for step in steps) + _delete_layouts(store, run)


def longest(settings: StoreSettings, predictions: PredictionSettings, windows: WindowSettings) -> float:
    """Seconds after which nothing is left of what a stream sent."""
    of_records = (predictions.retention, predictions.quarantine_retention, predictions.text_retention)
    return max(windows.retention, *of_records, settings.keep_deliveries, settings.keep_gauges)


def _steps(
    settings: StoreSettings,
    predictions: PredictionSettings,
    windows: WindowSettings,
    now: float,
    signer: Signer,
) -> tuple[Callable[[Connection], int], ...]:
    """What deletes the old rows of the smaller tables."""
    figures, deliveries = now - windows.retention, now - settings.keep_deliveries
    silent = now - longest(settings, predictions, windows)
    return (
        lambda c: quarantine.delete_before(c, now - predictions.quarantine_retention),
        lambda c: idempotency.delete_before(c, now - predictions.resend_window),
        lambda c: scores.delete_before(c, now - predictions.retention),
        lambda c: texts.delete_before(c, now - predictions.text_retention),
        lambda c: half_calls.delete_before(c, now - predictions.quarantine_retention),
        lambda c: waiting_calls.delete_before(c, now - predictions.quarantine_retention)[0],
        lambda c: waiting_runs.delete_before(c, now - predictions.quarantine_retention)[0],
        lambda c: uptime.delete_before(c, deliveries),
        lambda c: drift.delete_before(c, deliveries),
        lambda c: outbox.delete_before(c, deliveries),
        lambda c: webhook_deliveries.delete_before(
            c, min(deliveries, now - HOUR)
        ),  # repeats are refused so long
        lambda c: sessions.delete_expired(c, now),
        lambda c: alerts.delete_before(c, figures),
        lambda c: diagnoses.delete_before(c, figures),
        lambda c: incidents.delete_before(c, figures),
        lambda c: incident_notes.delete_before(c, figures),
        lambda c: audit_checkpoints.delete_before(c, figures, signer, now),
        lambda c: change_subscriptions.delete_before(c, deliveries),
        lambda c: baselines.clear_samples(c, now - predictions.retention),
        lambda c: baselines.delete_replaced(c, figures),
        lambda c: digests.delete_before(c, figures),
        lambda c: silences.delete_before(c, figures),
        lambda c: targets.delete_before(c, figures),
        lambda c: rollouts.delete_before(c, figures),
        lambda c: rollbacks.delete_before(c, figures),
        lambda c: rollback_stops.delete_before(c, figures),
        lambda c: rollback_drills.delete_before(c, figures),
        lambda c: daily_summaries.delete_before(c, datetime.fromtimestamp(figures, UTC).date()),
        lambda c: silent_streams.delete_silent(c, silent),
        lambda c: silent_streams.delete_leftovers(c, silent),
    )


def _delete_layouts(store: Store, run: AuditedDeletions) -> int:
    with store.read() as connection:
        unused = silent_streams.unused_layouts(connection)
    if not unused:
        return 0
    return _repeat(run, lambda connection: silent_streams.delete_layouts(connection, unused))


def _all(_: Prefix) -> bool:
    return True


def _delete_by_key(
    store: Store, run: AuditedDeletions, aged: Aged, before: float, is_chosen: IsChosen
) -> int:
    """Delete the rows of a large table that ended by `before`, under the keys that are chosen."""
    with store.read() as connection:
        prefixes = [prefix for prefix in with_old(connection, aged, before) if is_chosen(prefix)]
    groups = [
        prefixes[start : start + _KEYS_PER_TRANSACTION]
        for start in range(0, len(prefixes), _KEYS_PER_TRANSACTION)
    ]
    return sum(_repeat(run, partial(_delete, aged, group, before)) for group in groups)


def _delete(aged: Aged, prefixes: Sequence[Prefix], before: float, connection: Connection) -> int:
    return delete_old(connection, aged, prefixes, before)


def _repeat(run: AuditedDeletions, step: Callable[[Connection], int]) -> int:
    """Run `step`, each time in a transaction of its own, until it deletes nothing more; the number of rows."""
    total = 0
    for _ in range(_MOST_ROUNDS):
        with run.write() as connection:
            deleted = step(connection)
        total += deleted
        if deleted == 0:
            break
    return total
