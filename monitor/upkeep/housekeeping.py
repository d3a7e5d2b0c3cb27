"""Forgets what is older than it needs to be kept, a little at a time, so that writers never wait long."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection

from monitor.predictions.settings import PredictionSettings
from monitor.store import (
    audit,
    days,
    drift,
    history,
    listening,
    measurements,
    outbox,
    predictions,
    probes,
    profiles,
    quarantine,
    requests,
    sessions,
)
from monitor.store import outcomes as outcome_rows
from monitor.store.db import Store
from monitor.store.settings import StoreSettings
from monitor.windows.settings import WindowSettings

_MOST_ROUNDS = 1000


def forget(
    store: Store, kept: StoreSettings, taken: PredictionSettings, counted: WindowSettings, now: float
) -> int:
    """Delete what is past its retention; return the number of rows deleted. Safe to run again."""
    steps: tuple[Callable[[Connection], int], ...] = (
        lambda c: predictions.delete_before(c, now - taken.retention),
        lambda c: outcome_rows.delete_orphans(c),
        lambda c: quarantine.delete_before(c, now - taken.quarantine_retention),
        lambda c: requests.delete_before(c, now - taken.resend_window),
        lambda c: profiles.delete_before(c, now - counted.retention),
        lambda c: history.delete_before(c, now - counted.retention),
        lambda c: measurements.delete_before(c, now - counted.retention),
        lambda c: listening.delete_before(c, now - kept.keep_deliveries),
        lambda c: drift.delete_before(c, now - kept.keep_deliveries),
        lambda c: probes.delete_before(c, now - kept.keep_deliveries),
        lambda c: outbox.delete_before(c, now - kept.keep_deliveries),
        lambda c: sessions.delete_expired(c, now),
        lambda c: audit.delete_before(c, now - counted.retention),
        lambda c: days.delete_before(c, datetime.fromtimestamp(now - counted.retention, UTC).date()),
    )
    return sum(_exhaust(store, step) for step in steps)


def _exhaust(store: Store, step: Callable[[Connection], int]) -> int:
    total = 0
    for _ in range(_MOST_ROUNDS):
        with store.write() as connection:
            deleted = step(connection)
        total += deleted
        if deleted == 0:
            break
    return total
