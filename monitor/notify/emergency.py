"""When the shared database is gone: what is critical still goes out, from memory, with the same keys.

Every second the waiting critical pages are remembered. Once the database has been out of reach for 30 s they are
sent directly, with what is decided from memory meanwhile, and so is a page that says so. What was sent is written to a
local journal; when the database is back, the journal is replayed into it, and the page about the outage is closed.
"""

import hashlib
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from monitor.alerts.ladder import PAGERS
from monitor.alerts.notification import Notification, decode
from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import Channel
from monitor.notify.failure import AttemptError
from monitor.notify.journal import Entry, Journal, replay
from monitor.records import Action, Delivery
from monitor.store import outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""How long the database may be out of reach before pages go out without it, in seconds."""
URGENT = 1
"""The largest priority number of a critical page or its resolve."""


class Emergency:
    """A lane that works without the database."""

    def __init__(self, store: Store, channels: Mapping[str, Channel], clock: Clock, spool: Path) -> None:
        self._store, self._clock, self._journal = store, clock, Journal(spool)
        self._channels = dict(channels)
        self._pagers = [name for name in channels if name in PAGERS]
        self.channel = next(iter(channels.values()))
        self._remembered: list[Entry] = []
        self._decided: list[Entry] = []
        self._told: set[tuple[str, str, int]] = set()
        self._gone_since: float | None = None
        self._outage: Notification | None = None
        self._lock = threading.Lock()

    def step(self) -> bool:
        """Remember, or send what is remembered; whether something was sent."""
        now = self._clock.now()
        try:
            self._remember()
        except StoreError:
            self._gone_since = now if self._gone_since is None else self._gone_since
            return self._send(now) if now - self._gone_since >= PATIENCE else False
        self._gone_since = None
        return False

    def take(self, entries: Iterable[Entry]) -> None:
        """Send what was decided from memory, too. Called by the tick, in its own thread."""
        with self._lock:
            self._decided += entries

    def accepted(self) -> frozenset[tuple[str, str]]:
        """Channel and key of what went out without the database."""
        with self._lock:
            return frozenset((channel, key) for channel, key, _ in self._told)

    def catch_up(self) -> None:
        """Write into the database what went out without it; doing it twice changes nothing.

        Raises:
            StoreError: it is still out of reach.
        """
        with self._lock:
            entries = self._journal.read()
            if entries:
                with self._store.write() as connection:
                    replay(connection, entries)
                self._journal.clear()
            self._told.clear()
            self._decided.clear()

    def _remember(self) -> None:
        with self._store.read() as connection:
            waiting = outbox.waiting(connection)
        self.catch_up()
        self._close_outage()
        urgent = [d for d in waiting if d.priority <= URGENT and d.channel in self._pagers]
        self._remembered = [Entry(delivery) for delivery in urgent]

    def _send(self, now: float) -> bool:
        sent = False
        with self._lock:
            waiting = [e for e in (*self._remembered, *self._decided) if _place(e.delivery) not in self._told]
        stopped: set[tuple[str, str]] = set()
        for entry in sorted(waiting, key=lambda e: (e.delivery.priority, e.delivery.created_at)):
            place = (entry.delivery.channel, entry.delivery.key)
            if place in stopped:
                continue  # in order for each key: no resolve before its page
            if self._tell(entry.delivery.channel, decode(entry.delivery.body)):
                self._note(entry)
                sent = True
            else:
                stopped.add(place)
        if self._outage is None:
            page = self._page(now)
            told = [self._tell(name, page) for name in self._pagers]
            self._outage, sent = (page, True) if any(told) else (None, sent)
        return sent

    def _tell(self, name: str, notification: Notification) -> bool:
        channel = self._channels.get(name)
        if channel is None or notification.action not in channel.actions:
            return False
        try:
            channel.send(notification)
        except AttemptError as failure:
            log.warning("%s, without a database: %s", name, failure.message)
            return False
        return True

    def _note(self, entry: Entry) -> None:
        with self._lock:
            self._told.add(_place(entry.delivery))
            self._journal.write(entry)

    def _close_outage(self) -> None:
        if self._outage is not None:
            over = _over(self._outage, self._clock.now())
            answers = [self._tell(name, over) for name in self._pagers]
            if all(answers):
                self._outage = None

    def _page(self, now: float) -> Notification:
        """One key for everybody who misses this database, so that several daemons open one incident."""
        where = self._store.url.render_as_string(hide_password=True)
        return Notification(
            action=Action.TRIGGER,
            key=f"watchkeeper:store-down:{hashlib.sha256(where.encode()).hexdigest()[:16]}",
            severity="critical",
            title="Watchkeeper cannot reach its database: predictions are refused, models are hardly watched",
            impact="Senders get 503 and must send again. Only critical rules over the last seconds are judged.",
            client="watchkeeper",
            model="daemon",
            environment="production",
            alert="StoreDown",
            started_at=now,
            reason=f"{where} has not answered for {PATIENCE:.0f} seconds",
            checks=("Does the database run?", "Can this host reach it?", "Is its disk full?"),
            said_at=now,
        )


def _place(delivery: Delivery) -> tuple[str, str, int]:
    return delivery.channel, delivery.key, delivery.sequence


def _over(page: Notification, now: float) -> Notification:
    return replace(page, action=Action.RESOLVE, ended_at=now, said_at=now)
