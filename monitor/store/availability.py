"""Whether the database is available, judged by the outcomes of recent transactions."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

STEADY = 5.0
"""Seconds without a failure before a write counts as recovery: on a full disk, small writes succeed at times."""


class StoreAvailability:
    """The last outcomes, kept in memory, so that reading them never waits. Safe to use from several threads."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._since: float | None = None
        self._last = float("-inf")
        self._wrote_at = elapsed()
        self._reason = ""

    def failed(self, reason: str) -> None:
        """Note a transaction that failed because of the database."""
        with self._lock:
            is_first, self._last = self._since is None, self._elapsed()
            self._since = self._last if self._since is None else self._since
            self._reason = reason
        if is_first:
            log.error("%s", reason)

    def wrote(self) -> None:
        """Note a durable write. Reads do not count: a standby can be read."""
        self._wrote_at = self._elapsed()
        if self._since is not None and self._wrote_at - self._last >= STEADY:
            with self._lock:
                self._since, self._reason = None, ""

    @property
    def reason(self) -> str:
        """Why the database is unavailable; empty while it is available."""
        return self._reason

    def failing_for(self) -> float:
        """Seconds from the first failure of the current outage to the latest; 0 while the database is available."""
        since = self._since
        return 0.0 if since is None else self._last - since

    def idle_for(self) -> float:
        """Seconds since the last successful write."""
        return self._elapsed() - self._wrote_at
