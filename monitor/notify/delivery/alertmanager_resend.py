"""Sends alerts to Alertmanager again: open ones so that they do not expire, resolved ones for a quarter of an hour.

Alertmanager ignores an end that lies in the future of its own clock, and has no alerts after a restart. Prometheus
repeats resolved alerts for the same reason.
"""

import logging
from dataclasses import replace
from functools import partial

from monitor.alerts.notification import Notification, decode
from monitor.clock import Clock
from monitor.notify.channel import PAGES
from monitor.notify.channels.alertmanager import Alertmanager
from monitor.notify.delivery.attempt import attempt
from monitor.notify.failure import AttemptError
from monitor.records import Status
from monitor.store import incidents, outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)

OVER_FOR = 900.0
"""How long a resolved alert is sent again, in seconds."""


class Resender:
    """Sends all open and recently resolved alerts again, once per interval, in one request."""

    def __init__(self, store: Store, channel: Alertmanager, clock: Clock) -> None:
        self.channel = channel
        self._store, self._clock = store, clock
        self._due_at = clock.now() + channel.resend_every

    def step(self) -> bool:
        """Send if it is due; whether something was sent. After a failure the next round sends everything again."""
        now = self._clock.now()
        if now < self._due_at <= now + self.channel.resend_every:  # further ahead: the clock was set back
            return False
        self._due_at = now + self.channel.resend_every
        again = [replace(one, said_at=now) for one in self._last_notifications(now)]
        if not again:
            return False
        try:
            attempt(partial(self.channel.send_all, again))
        except AttemptError as failure:
            log.warning("open alerts could not be resent: %s", failure.message)
        return True

    def _last_notifications(self, now: float) -> list[Notification]:
        """The last accepted notification of each incident."""
        with self._store.read() as connection:
            known = [
                *incidents.load_open(connection),
                *incidents.load_closed_since(connection, now - OVER_FOR),
            ]
            mine = [i for i in known if i.channel == self.channel.name]
            deliveries = [d for i in mine for d in outbox.conversation(connection, i.channel, i.key)]
        last = {d.key: d for d in deliveries if d.action in PAGES and d.status is Status.SENT}
        notifications = []
        for delivery in last.values():
            with self._store.faults.isolate("outbox", f"{delivery.channel} {delivery.id}"):
                notifications.append(decode(delivery.body))
        return notifications
