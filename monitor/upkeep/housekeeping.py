"""Forgets what is older than it needs to be kept, a little at a time, so that writers never wait long."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from monitor.predictions.settings import PredictionSettings
from monitor.store import (
    alerts,
    audit,
    days,
    drift,
    history,
    incidents,
    listening,
    measurements,
    outbox,
    outcomes,
    probes,
    profiles,
    quarantine,
    requests,
    sessions,
    webhooks,
)
from monitor.store.ageing import Aged, Prefix, delete_old, with_old
from monitor.store.db import Store
from monitor.store.settings import StoreSettings
from monitor.windows.settings import WindowSettings

Chosen = Callable[[Prefix], bool]
HOUR = 3600
_MOST_ROUNDS = 1000
_AT_ONCE = 50
"""Streams of one transaction."""


def forget(
    store: Store, kept: StoreSettings, taken: PredictionSettings, counted: WindowSettings, now: float
) -> int:
    """Delete what is past its retention; return the number of rows deleted. Safe to run again."""
    figures, told = now - counted.retention, now - kept.keep_deliveries
    fine = now - min(counted.fine_retention, counted.retention)
    aged: Sequence[tuple[Aged, float, Chosen]] = (
        (outcomes.AGED_PREDICTIONS, now - taken.retention, _all),
        (profiles.AGED, figures, _all),
        (profiles.AGED, fine, lambda prefix: prefix[1] > taken.base_window),
        (history.AGED, figures, _all),
        (measurements.AGED, figures, _all),
        (measurements.AGED, fine, lambda prefix: prefix[1] < HOUR),
        (drift.AGED_VERDICTS, told, _all),
        (probes.AGED, told, _all),
    )
    steps: tuple[Callable[[Connection], int], ...] = (
        lambda c: quarantine.delete_before(c, now - taken.quarantine_retention),
        lambda c: requests.delete_before(c, now - taken.resend_window),
        lambda c: listening.delete_before(c, told),
        lambda c: drift.delete_before(c, told),
        lambda c: outbox.delete_before(c, told),
        lambda c: webhooks.delete_before(c, told),
        lambda c: sessions.delete_expired(c, now),
        lambda c: alerts.delete_before(c, figures),
        lambda c: incidents.delete_before(c, figures),
        lambda c: audit.delete_before(c, figures),
        lambda c: days.delete_before(c, datetime.fromtimestamp(figures, UTC).date()),
    )
    by_key = sum(_forget_by_key(store, table, before, chosen) for table, before, chosen in aged)
    return by_key + sum(_exhaust(store, step) for step in steps)


def _all(_: Prefix) -> bool:
    return True


def _forget_by_key(store: Store, aged: Aged, before: float, chosen: Chosen) -> int:
    """What is old in a table that grows with every minute, of those keys that are chosen."""
    with store.read() as connection:
        found = [prefix for prefix in with_old(connection, aged, before) if chosen(prefix)]
    groups = [found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)]
    return sum(_exhaust(store, partial(_delete, aged, some, before)) for some in groups)


def _delete(aged: Aged, some: Sequence[Prefix], before: float, connection: Connection) -> int:
    return delete_old(connection, aged, some, before)


def _exhaust(store: Store, step: Callable[[Connection], int]) -> int:
    total = 0
    for _ in range(_MOST_ROUNDS):
        with store.write() as connection:
            deleted = step(connection)
        total += deleted
        if deleted == 0:
            break
    return total
