"""One channel's way through the outbox: claim, send, record, one delivery a step."""

import logging
import random
import time
from dataclasses import replace

from monitor.alerts.notification import decode, encode
from monitor.clock import Clock
from monitor.notify.bucket import Bucket
from monitor.notify.channel import Channel
from monitor.notify.failure import AttemptError
from monitor.notify.retry import after
from monitor.records import Action, Delivery, Receipt, Status
from monitor.store import incidents, outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)


class Lane:
    """Works through the deliveries of one channel, so that a slow channel holds up nobody else."""

    def __init__(self, store: Store, channel: Channel, clock: Clock, lease_seconds: float) -> None:
        self.channel = channel
        self._store, self._clock, self._lease = store, clock, lease_seconds
        self._bucket = Bucket(channel.rate, clock.now())
        self._paused_until = 0.0

    def step(self) -> bool:
        """Try the next due delivery; whether there was one.

        Raises:
            StoreError: the outbox cannot be reached. Nothing is lost: a delivery that was claimed is free
                again when its lease ends.
        """
        now = self._clock.now()
        delivery = self._claim(now)
        if delivery is None:
            return False
        if self._is_overtaken(delivery):
            return True
        self._attempt(delivery)
        return True

    def _claim(self, now: float) -> Delivery | None:
        if now < self._paused_until <= now + outbox.LONGEST_WAIT:
            return None
        most = self._bucket.lowest_priority(now)
        if most is None:
            return None
        with self._store.write() as connection:
            delivery = outbox.claim(connection, self.channel.name, now, self._lease, most)
        if delivery is not None:
            self._bucket.take()
        return delivery

    def _is_overtaken(self, delivery: Delivery) -> bool:
        """Withdraw a page whose end is already waiting: unsent, both go; perhaps sent, the end still goes.

        A page that is tried again after its resolve would open an incident that nobody closes.
        """
        with self._store.write() as connection:
            if delivery.action not in self.channel.actions:
                return outbox.settle(connection, delivery, Status.SUPERSEDED)
            if delivery.action is not Action.TRIGGER:
                return False
            later = outbox.conversation(connection, delivery.channel, delivery.key)
            end = next((d for d in later if d.action is Action.RESOLVE), None)
            if end is None or end.sequence < delivery.sequence:
                return False
            outbox.settle(connection, delivery, Status.SUPERSEDED)
            told = [d for d in later if d.action is Action.TRIGGER and d.status is Status.SENT]
            if not delivery.maybe_sent and not told:
                outbox.supersede(connection, delivery.channel, delivery.key, end.sequence + 1)
            return True

    def _attempt(self, delivery: Delivery) -> None:
        began = time.monotonic()
        try:
            answer = self.channel.send(decode(delivery.body))
        except AttemptError as failure:
            self._failed(delivery, failure, time.monotonic() - began)
        else:
            self._sent(delivery, answer, time.monotonic() - began)

    def _sent(self, delivery: Delivery, answer: str, seconds: float) -> None:
        now = self._clock.now()
        with self._store.write() as connection:
            outbox.settle(connection, delivery, Status.SENT)
            outbox.add_receipt(connection, _receipt(delivery, now, "sent", answer, None, seconds))
            if delivery.action is Action.TRIGGER:
                incident = incidents.get(connection, delivery.channel, delivery.key, lock=True)
                if incident is not None and incident.accepted_at is None:
                    incidents.put(connection, [replace(incident, accepted_at=now)])

    def _failed(self, delivery: Delivery, failure: AttemptError, seconds: float) -> None:
        now = self._clock.now()
        notification = decode(delivery.body)
        is_small = notification.is_small or notification.message is not None
        what = after(failure, delivery, now, random.random(), is_small=is_small)  # noqa: S311
        log.warning("%s: %s", delivery.key, failure.message)
        self._paused_until = max(self._paused_until, what.pause)
        body = encode(replace(notification, is_small=True)) if what.shrink else None
        with self._store.write() as connection:
            outbox.settle(connection, delivery, what.status, what.not_before, body)
            outbox.add_receipt(
                connection, _receipt(delivery, now, failure.kind, failure.message, failure.code, seconds)
            )
            if what.fall_back:
                incident = incidents.get(connection, delivery.channel, delivery.key, lock=True)
                if incident is not None and incident.refused_at is None:
                    incidents.put(connection, [replace(incident, refused_at=now)])


def _receipt(
    delivery: Delivery, now: float, outcome: str, detail: str, code: int | None, seconds: float
) -> Receipt:
    assert delivery.id is not None
    return Receipt(delivery.id, now, outcome, detail, code, seconds)
