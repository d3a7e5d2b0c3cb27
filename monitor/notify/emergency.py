"""When the shared database is gone: what was decided and is critical still goes out, from memory, with the same key.

Every second the waiting critical pages are remembered. Once the database has been out of reach for 30 s they are
sent directly, and so is a page that says that nothing is judged. What was sent is written to a local file, synced;
when the database is back, the file is replayed into the outbox, and the page about it is closed.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from monitor.alerts.ladder import PAGERS
from monitor.alerts.notification import Notification, decode
from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import Channel
from monitor.notify.failure import AttemptError
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
        self._store, self._clock, self._spool = store, clock, spool
        self._pagers = {name: channel for name, channel in channels.items() if name in PAGERS}
        self.channel = next(iter(channels.values()))
        self._remembered: list[Delivery] = []
        self._told: set[tuple[str, str, int]] = set()
        self._gone_since: float | None = None
        self._outage: Notification | None = None

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

    def _remember(self) -> None:
        with self._store.read() as connection:
            waiting = outbox.waiting(connection)
        self._replay()
        self._remembered = [d for d in waiting if d.priority <= URGENT and d.channel in self._pagers]

    def _send(self, now: float) -> bool:
        sent = False
        for delivery in self._remembered:
            place = (delivery.channel, delivery.key, delivery.sequence)
            if place not in self._told and self._tell(delivery.channel, decode(delivery.body)):
                self._told.add(place)
                self._note(place)
                sent = True
        if self._outage is None:
            page = _outage(now)
            told = [self._tell(name, page) for name in self._pagers]
            self._outage, sent = (page, True) if any(told) else (None, sent)
        return sent

    def _tell(self, name: str, notification: Notification) -> bool:
        try:
            self._pagers[name].send(notification)
        except AttemptError as failure:
            log.warning("%s, without a database: %s", name, failure.message)
            return False
        return True

    def _note(self, place: tuple[str, str, int]) -> None:
        with self._spool.open("a", encoding="utf-8") as file:
            file.write(json.dumps(place) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _replay(self) -> None:
        """Tell the outbox what went out without it; doing it twice changes nothing."""
        if self._spool.exists():
            lines = self._spool.read_text(encoding="utf-8").splitlines()
            with self._store.write() as connection:
                for line in lines:
                    channel, key, sequence = json.loads(line)
                    outbox.mark_sent(connection, channel, key, sequence)
            self._spool.unlink()
            self._told.clear()
        if self._outage is not None:
            over = _over(self._outage, self._clock.now())
            answers = [self._tell(name, over) for name in self._pagers]
            if all(answers):
                self._outage = None


def _outage(now: float) -> Notification:
    return Notification(
        action=Action.TRIGGER,
        key=f"watchkeeper:store-down:{int(now // 3600)}",
        severity="critical",
        title="Watchkeeper cannot reach its database: nothing is judged",
        impact="No model is watched until it is back; what was decided before has been sent.",
        client="watchkeeper",
        model="daemon",
        environment="production",
        alert="StoreDown",
        started_at=now,
        checks=("Does the database run?", "Can this host reach it?", "Is its disk full?"),
        said_at=now,
    )


def _over(page: Notification, now: float) -> Notification:
    return replace(page, action=Action.RESOLVE, ended_at=now, said_at=now)
