"""Keeps an Alertmanager from forgetting what is still open, and from missing what is over.

It takes an end that its own clock still holds for the future as no end at all, and one that restarts has forgotten
both; so what is over is said again for a quarter of an hour, as Prometheus does.
"""

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

OVER_FOR = 900.0
"""How long the end of an alert is said again, in seconds."""


class Resender:
    """Sends every open alert again once a minute, and every one that is over since lately, all in one request."""

    def __init__(self, store: Store, channel: Alertmanager, clock: Clock) -> None:
        self.channel = channel
        self._store, self._clock = store, clock
        self._due_at = clock.now() + channel.resend_every

    def step(self) -> bool:
        """Send if it is time; whether something was sent. A failed round is made good by the next one."""
        now = self._clock.now()
        if now < self._due_at <= now + self.channel.resend_every:  # further ahead: the clock was set back
            return False
        self._due_at = now + self.channel.resend_every
        again = [replace(said, said_at=now) for said in self._said(now)]
        if not again:
            return False
        try:
            self.channel.send_all(again)
        except AttemptError as failure:
            log.warning("open alerts could not be sent again: %s", failure.message)
        return True

    def _said(self, now: float) -> list[Notification]:
        """The last word on each incident, where it was taken."""
        with self._store.read() as connection:
            known = [
                *incidents.load_open(connection),
                *incidents.load_closed_since(connection, now - OVER_FOR),
            ]
            mine = [i for i in known if i.channel == self.channel.name]
            said = [d for i in mine for d in outbox.conversation(connection, i.channel, i.key)]
        last = {d.key: d for d in said if d.action in _WORDS and d.status is Status.SENT}
        return [decode(delivery.body) for delivery in last.values()]


_WORDS = (Action.TRIGGER, Action.RESOLVE)
