"""Of several daemons on one database, one judges: the duty, a lease with a fencing token."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.store import leases
from monitor.store.db import Store
from monitor.store.leases import Lease

NAME = "judge"
SECONDS = 15.0
"""How long a daemon that has died still holds the duty."""


class Duty:
    """Knows whether this process judges. An embedded database has one process, which always does."""

    def __init__(self, store: Store, seconds: float = SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._holder = f"{socket.gethostname()[:32]}/{os.getpid()}/{secrets.token_hex(4)}"
        self._lease: Lease | None = None

    @property
    def is_held(self) -> bool:
        """Whether it was ours at the last look."""
        return self._store.is_sqlite or self._lease is not None

    def is_ours(self, now: float) -> bool:
        """Take the duty or keep it; False while another process has it."""
        if self._store.is_sqlite:
            return True
        with self._store.write() as connection:
            self._lease = leases.acquire(connection, NAME, self._holder, now, self._seconds)
        return self._lease is not None

    @contextmanager
    def write(self) -> Iterator[Connection | None]:
        """A transaction that holds the duty; None where another process has taken it meanwhile."""
        with self._store.write() as connection:
            if self._lease is not None and not leases.is_in_force(connection, self._lease):
                self._lease = None
                yield None
            else:
                yield connection

    def hand_over(self) -> None:
        """Give the duty back at the end, so that another need not wait. Without a database it just runs out."""
        if self._lease is not None:
            with suppress(StoreError), self._store.write() as connection:
                leases.release(connection, self._lease)
            self._lease = None
