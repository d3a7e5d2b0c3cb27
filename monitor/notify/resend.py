"""Keeps an Alertmanager from forgetting what is still open."""

import logging
from dataclasses import replace

from monitor.alerts.notification import Notification, decode
from monitor.clock import Clock
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.failure import AttemptError
from monitor.records import Action, Status
from monitor.store import incidents, outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)


class Resender:
    """Sends every open alert again once a minute, all in one request."""

    def __init__(self, store: Store, channel: Alertmanager, clock: Clock) -> None:
        self.channel = channel
        self._store, self._clock = store, clock
        self._due_at = clock.now() + channel.resend_every

    def step(self) -> bool:
        """Send if it is time; whether something was sent. A failed round is made good by the next one."""
        now = self._clock.now()
        if now < self._due_at:
            return False
        self._due_at = now + self.channel.resend_every
        still_open = [replace(page, said_at=now) for page in self._open()]
        if not still_open:
            return False
        try:
            self.channel.send_all(still_open)
        except AttemptError as failure:
            log.warning("open alerts could not be sent again: %s", failure.message)
        return True

    def _open(self) -> list[Notification]:
        with self._store.read() as connection:
            mine = [i for i in incidents.load_open(connection) if i.channel == self.channel.name]
            said = [d for i in mine for d in outbox.conversation(connection, i.channel, i.key)]
        pages = {d.key: d for d in said if d.action is Action.TRIGGER and d.status is Status.SENT}
        return [decode(delivery.body) for delivery in pages.values()]
