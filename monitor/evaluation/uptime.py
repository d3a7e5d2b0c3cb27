"""Records when the daemon accepted predictions: silence is measured only over this time."""

import secrets
from dataclasses import dataclass

from monitor.config.units import DAY
from monitor.store import uptime
from monitor.store.db import Store

REMEMBERED = 30.0 * DAY
"""Seconds for which periods are kept."""
_LOST = 60.0
"""Seconds without a tick after which the process counts as stopped, or without its database."""
_FROZEN = 5.0
"""Seconds without a beat after which the process counts as stopped: a tick may be slow, a beat is not."""
_WRITTEN_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class Listening:
    """When predictions were accepted: complete periods, and the present one from `since`, which lasts."""

    periods: tuple[tuple[float, float], ...] = ()
    since: float | None = None
    until: float = 0.0

    def seconds(self, start: float, end: float) -> float:
        """The number of seconds from `start` to `end` in which predictions were accepted."""
        present = [] if self.since is None else [(self.since, max(end, self.until))]
        total, reached = 0.0, start
        for since, until in sorted([*self.periods, *present]):
            total += max(0.0, min(until, end) - max(since, reached))
            reached = max(reached, min(until, end))
        return total


class UptimeRecorder:
    """The periods in which this daemon, or another one on the same database, accepted predictions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = secrets.token_hex(8)
        self._periods: tuple[tuple[float, float], ...] = ()
        self._since: float | None = None
        self._beaten: float | None = None
        self._is_lost = False
        self._until = self._written = 0.0

    def beat(self, now: float) -> None:
        """Record that the process runs. Called every second in a thread of its own, so it writes nothing."""
        if self._beaten is not None and abs(now - self._beaten) > _FROZEN:
            self._is_lost = True
        self._beaten = now

    def keep(self, now: float) -> None:
        """Record that this process accepts predictions. Called at every tick.

        Raises:
            StoreError: the database is out of reach, so that nothing can be taken in either.
        """
        since = self._since
        if self._beaten is not None:
            self.beat(now)  # the beating thread may resume later
        if since is None or self._is_lost or abs(now - self._until) > _LOST:
            since, self._is_lost = now, False
        if since != self._since or now - self._written >= _WRITTEN_EVERY:
            with self._store.write() as connection:
                if since != self._since:
                    self._periods = tuple(uptime.load(connection, now - REMEMBERED))
                uptime.put(connection, self._holder, since, now)
            self._since, self._written = since, now
        self._until = now

    def seconds(self, start: float, end: float) -> float:
        """The number of seconds from `start` to `end` in which predictions were accepted."""
        return self.listening().seconds(start, end)

    def listening(self) -> Listening:
        """When this daemon, or another one on the same database, accepted predictions."""
        return Listening(self._periods, self._since, self._until)
