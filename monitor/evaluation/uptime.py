"""How long somebody listened: a daemon that was down or frozen cannot call a model silent for that time."""

import secrets

from monitor.config.units import DAY
from monitor.store import uptime
from monitor.store.db import Store

REMEMBERED = 30.0 * DAY
"""How long periods are known, in seconds."""
_LOST = 60.0
"""After so many seconds without a look the process was frozen, or without its database: nobody listened."""
_FROZEN = 5.0
"""After so many seconds without a beat, too: a look may take long, a beat takes no time."""
_WRITTEN_EVERY = 10.0


class UptimeRecorder:
    """The periods in which this daemon, or another on the same database, took predictions in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = secrets.token_hex(8)
        self._periods: list[tuple[float, float]] = []
        self._since: float | None = None
        self._beaten: float | None = None
        self._is_lost = False
        self._until = self._written = 0.0

    def beat(self, now: float) -> None:
        """Say that this process runs; called every second, from a thread of its own, so that it writes nothing."""
        if self._beaten is not None and abs(now - self._beaten) > _FROZEN:
            self._is_lost = True
        self._beaten = now

    def keep(self, now: float) -> None:
        """Say that this process listens now; called at every look.

        Raises:
            StoreError: the database is out of reach, so that nothing can be taken in either.
        """
        since = self._since
        if self._beaten is not None:
            self.beat(now)  # the beat may wake up later
        if since is None or self._is_lost or abs(now - self._until) > _LOST:
            since, self._is_lost = now, False
        if since != self._since or now - self._written >= _WRITTEN_EVERY:
            with self._store.write() as connection:
                if since != self._since:
                    self._periods = uptime.load(connection, now - REMEMBERED)
                uptime.put(connection, self._holder, since, now)
            self._since, self._written = since, now
        self._until = now

    def seconds(self, start: float, end: float) -> float:
        """How many of the seconds from `start` to `end` were listened to."""
        own = [] if self._since is None else [(self._since, max(end, self._until))]
        listened, reached = 0.0, start
        for since, until in sorted([*self._periods, *own]):
            listened += max(0.0, min(until, end) - max(since, reached))
            reached = max(reached, min(until, end))
        return listened
