"""Delivers critical pages from memory, with the same keys, while the store is unavailable.

Every second the waiting critical pages are copied to memory. If the store cannot be used for `notify.outage_after` for
any reason (unreachable, read-only, full, its file deleted), they are sent directly, with those that are decided from
memory in the meantime and a page that reports the outage. Sent messages are written to a local journal. When the store
is available again, the journal is replayed into it and the page about the outage is resolved.
"""

import hashlib
import logging
import platform
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from monitor.alerts.fallback import PAGERS
from monitor.alerts.notification import Notification, decode
from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import Channel
from monitor.notify.delivery.attempt import attempt
from monitor.notify.failure import AttemptError
from monitor.outage.journal import Journal, JournalEntry, replay
from monitor.outage.notice import Outage
from monitor.records import Action, Delivery
from monitor.store import leases, outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)

IDLE = 15.0
"""Seconds without a write after which one is made, to test that the store accepts writes."""
WITHIN = 10.0
"""Seconds that this write may take."""


def spool_path(name: str, store: Store) -> str:
    """The path of the journal: `name`, in the folder of an embedded database unless absolute; empty for none."""
    if not store.is_sqlite:
        return name
    return str(store.path.absolute().parent / name) if name and store.path else ""


class Emergency:
    """Sends pages without the database, once it has been unavailable for `patience` seconds. `spool` is the path of
    the journal; the state of the outage page is beside it.
    """

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], clock: Clock, spool: Path, patience: float = 30.0
    ) -> None:
        self.patience = patience
        self._store, self._clock, self._journal = store, clock, Journal(spool, store.key)
        self._outage = Outage(spool.with_name(spool.name + ".outage"), store.key)
        self._channels = dict(channels)
        self._pagers = [name for name in channels if name in PAGERS]
        self._outage_channels = self._pagers or [
            n for n, c in channels.items() if Action.TRIGGER in c.actions
        ]
        self.channel = next(iter(channels.values()))
        self._copied: list[JournalEntry] = []
        self._decided: list[JournalEntry] = []
        self._attempted: set[tuple[str, str, int]] = set()
        self._sent: set[tuple[str, str, int]] = set()
        self._unavailable_since: float | None = None
        self._lock = threading.Lock()

    def step(self) -> bool:
        """Copy the waiting pages, or send the copies; whether something was sent."""
        now = self._clock.now()
        try:
            self._copy_waiting(now)
        except StoreError as error:
            self._unavailable_since = now if self._unavailable_since is None else self._unavailable_since
            now = self._clock.now()  # the attempt may have taken seconds
            if not 0 <= now - self._unavailable_since < self.patience:
                return self._send() | self._page_outage(now, error.message)
            return False
        self._unavailable_since = None
        if self._store.condition.failing_for() >= self.patience:  # it accepts small writes and refuses others
            return self._page_outage(now, self._store.condition.reason)
        self._resolve_outage(now)
        return False

    def add(self, entries: Iterable[JournalEntry]) -> None:
        """Add messages that were decided from memory. Called in the thread of the tick."""
        with self._lock:
            self._decided += entries

    def accepted(self) -> frozenset[tuple[str, str]]:
        """Channel and key of the messages that were sent without the database."""
        with self._lock:
            return frozenset((channel, key) for channel, key, _ in self._sent)

    def catch_up(self) -> None:
        """Write the messages that were sent without the database into it. Repeating it changes nothing.

        Raises:
            StoreError: it is still out of reach.
        """
        if (
            self._store.condition.reason
        ):  # a tick without anything to write does not prove that writes succeed
            with self._store.write(patience=WITHIN) as connection:
                leases.beat(connection, self._clock.now())
        with self._lock:
            entries = self._journal.read()
            if entries:
                self._replay(entries)
                self._journal.clear()
            self._attempted.clear()
            self._sent.clear()
            self._decided.clear()

    def _replay(self, entries: list[JournalEntry]) -> None:
        for entry in entries:
            subject = f"{entry.delivery.channel} {entry.delivery.key}"
            with self._store.faults.isolate("spool", subject), self._store.write() as connection:
                replay(connection, [entry])

    def _copy_waiting(self, now: float) -> None:
        condition = self._store.condition
        if condition.reason or condition.idle_for() > IDLE:
            with self._store.write(
                patience=WITHIN
            ) as connection:  # a standby server or a full disk can be read
                leases.beat(connection, now)
        with self._store.read() as connection:
            waiting = outbox.waiting(connection)
        self.catch_up()
        urgent = [d for d in waiting if d.is_critical and d.channel in self._pagers]
        self._copied = [JournalEntry(delivery) for delivery in urgent]

    def _send(self) -> bool:
        sent = False
        with self._lock:
            waiting = [e for e in (*self._copied, *self._decided) if e.place not in self._sent]
        stopped: set[tuple[str, str]] = set()
        for entry in sorted(waiting, key=lambda e: (e.delivery.priority, e.delivery.created_at)):
            place = (entry.delivery.channel, entry.delivery.key)
            if place in stopped:
                continue  # in order per key: no resolve before its page
            self._record_attempt(entry)
            if self._attempt(entry.delivery.channel, _read(entry.delivery)):
                self._record_sent(entry)
                sent = True
            else:
                stopped.add(place)
        return sent

    def _attempt(self, name: str, notification: Notification | None) -> bool:
        channel = self._channels.get(name)
        if channel is None or notification is None or notification.action not in channel.actions:
            return False
        began = time.monotonic()
        failure = None
        try:
            attempt(partial(channel.send, notification))
        except AttemptError as error:
            failure = error
        fields: dict[str, object] = {
            "channel": name,
            "action": str(notification.action),
            "alert": notification.alert,
            "stream": notification.source,
            "key": notification.key,
            "outcome": "sent" if failure is None else "failed",
            "duration": round(time.monotonic() - began, 3),
        }
        if failure is None:
            log.info("delivery without a database", extra=fields)
        else:
            log.warning("delivery without a database", extra=fields | {"reason": failure.message})
        return failure is None

    def _record_attempt(self, entry: JournalEntry) -> None:
        """Record a message that only this process knows of before its first attempt."""
        with self._lock:
            if entry.incident is not None and entry.place not in self._attempted:
                self._attempted.add(entry.place)
                self._journal.write(replace(entry, was_taken=False))

    def _record_sent(self, entry: JournalEntry) -> None:
        with self._lock:
            self._sent.add(entry.place)
            self._journal.write(entry)

    def _page_outage(self, now: float, why: str) -> bool:
        page = self._outage.open(self._page(now, why))
        sent = False
        for name in self._outage.unnotified(self._outage_channels, now):
            accepted = self._attempt(name, page)
            self._outage.record_page(name, now, accepted=accepted)
            sent |= accepted
        return sent

    def _resolve_outage(self, now: float) -> None:
        if self._outage.page is None:
            return
        over = self._outage.resolve_notification(now)
        for name in self._outage.unresolved(now):
            channel = self._channels.get(name)
            is_over = channel is None or Action.RESOLVE not in channel.actions
            self._outage.record_resolve(name, now, accepted=is_over or self._attempt(name, over))

    def _page(self, now: float, why: str) -> Notification:
        """The page about the outage. Its key is the same for all daemons of a database, so that they
        open one incident.
        """
        where = self._store.url.render_as_string(hide_password=True)
        if self._store.path is not None:  # the same path on another machine is another database
            where = f"{platform.node()}:{self._store.path.absolute()}"
        return Notification(
            action=Action.TRIGGER,
            key=f"watchkeeper:store-down:{hashlib.sha256(where.encode()).hexdigest()[:16]}",
            severity="critical",
            title=(
                "Watchkeeper cannot reach its database: predictions are rejected, "
                "and only critical rules are evaluated"
            ),
            impact="Senders get 503 and must retry. Only critical rules over the last seconds are evaluated.",
            client="watchkeeper",
            model="daemon",
            environment="production",
            alert="StoreDown",
            started_at=now,
            reason=f"{where} could not be used for {self.patience:.0f} seconds: {why}",
            checks=(
                "Is the database running, and does it accept writes?",
                "Can this host reach it?",
                "Is its disk full?",
            ),
            said_at=now,
        )


def _read(delivery: Delivery) -> Notification | None:
    """The notification of a delivery; None if it cannot be read."""
    try:
        return decode(delivery.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        log.error("%s cannot be sent: its stored notification cannot be read: %s", delivery.key, error)
        return None
