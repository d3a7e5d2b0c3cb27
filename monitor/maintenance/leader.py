"""The leader lease, with a fencing token: of several daemons on one database, only its holder evaluates rules."""

import logging
import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.store import leases
from monitor.store.db import Store
from monitor.store.leases import Lease

log = logging.getLogger(__name__)

NAME = "judge"
SECONDS = 15.0
"""Seconds for which a daemon that has died still holds the lease."""


def process_name() -> str:
    """A name for this process that no other one has: host, number and a random part."""
    return f"{platform.node()[:32]}/{os.getpid()}/{secrets.token_hex(4)}"


class LeaderLease:
    """Acquires and renews the lease. On an embedded database there is one process, which is always the leader."""

    def __init__(self, store: Store, seconds: float = SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._holder = process_name()
        self._lease: Lease | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process held the lease at the last renewal."""
        return self._store.is_sqlite or self._lease is not None

    def acquire(self, now: float) -> bool:
        """Acquire or renew the lease; False while another process holds it."""
        if self._store.is_sqlite:
            return True
        with self._store.write() as connection:
            moment = leases.clock(connection, now)
            lease = leases.acquire(connection, NAME, self._holder, moment, self._seconds)
        self._keep(lease)
        return lease is not None

    @contextmanager
    def write(self) -> Iterator[Connection | None]:
        """A transaction of the leader; None if another process has acquired the lease in the meantime."""
        with self._store.write() as connection:
            if self._lease is not None and not leases.is_in_force(connection, self._lease):
                self._keep(None)
                yield None
            else:
                yield connection

    def hand_over(self) -> None:
        """Release the lease, so that another process need not wait. Without a database it expires by itself."""
        if self._lease is not None:
            with suppress(StoreError), self._store.write() as connection:
                leases.release(connection, self._lease)
            self._lease = None
            log.info("leader lease released", extra={"holder": self._holder})

    def _keep(self, lease: Lease | None) -> None:
        """Remember the lease, and log whether it was acquired or lost."""
        if lease is not None and self._lease is None:
            log.info("leader lease acquired", extra={"holder": self._holder})
        elif lease is None and self._lease is not None:
            log.warning("leader lease lost", extra={"holder": self._holder})
        self._lease = lease
