"""Waits for an unavailable database at the start of the daemon, and reports the outage meanwhile."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import Channel
from monitor.outage.emergency import Emergency
from monitor.store.db import Store

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two attempts to connect."""
REPORT_EVERY = 60.0
_WRONG = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted to log in")
"""Errors of a server that mean a wrong configuration: waiting does not help."""


def wait_for_server(
    store: Store,
    channels: Mapping[str, Channel],
    spool: str,
    clock: Clock,
    patience: float,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return once the database server answers; at once for an embedded database.

    Meanwhile, an outage of `patience` seconds is reported as StoreDown. An outage that is already in the spool is
    continued.

    Raises:
        StoreError: the server refuses this user or database.
    """
    emergency, reported_at = None, float("-inf")
    while not store.is_sqlite:
        try:
            with store.read() as connection:
                store.ping(connection)
            return
        except StoreError as error:
            if any(words in error.message for words in _WRONG) or error.public == error.message:
                raise
            if time.monotonic() - reported_at >= REPORT_EVERY:
                reported_at = time.monotonic()
                log.error("the daemon waits for its database: %s", error.message)
        if emergency is None and spool and channels:
            emergency = Emergency(store, channels, clock, Path(spool), patience)
        if emergency is not None:
            emergency.step()
        pause(EVERY)
