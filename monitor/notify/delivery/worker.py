"""The worker of one channel: claims a delivery from the outbox, sends it, and records the outcome."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import msgspec

from monitor.alerts.notification import Notification, decode, encode
from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import MARGIN, Channel
from monitor.notify.delivery.attempt import attempt, unexpected
from monitor.notify.delivery.rate_limit import TokenBucket
from monitor.notify.delivery.retry import next_attempt
from monitor.notify.failure import LONGEST, AttemptError, FailureKind
from monitor.records import Action, Delivery, Receipt, Status
from monitor.store import incidents, outbox
from monitor.store.db import Store
from monitor.visible import visible

log = logging.getLogger(__name__)


class ChannelWorker:
    """Delivers the notifications of one channel, independently of slow other channels.

    A delivery is leased for `lease_seconds`. The lease is renewed during longer attempts, so that no other daemon
    claims the delivery while this one is alive.
    """

    def __init__(self, store: Store, channel: Channel, clock: Clock, lease_seconds: float) -> None:
        self.channel = channel
        self._store, self._clock = store, clock
        self._lease = lease_seconds
        self._outlasts = lease_seconds >= channel.seconds + MARGIN
        self._bucket = TokenBucket(channel.rate, clock.now())
        self._paused_until = 0.0

    def step(self) -> bool:
        """Attempt the next due delivery; whether there was one. Any error is recorded as a failed attempt.

        Raises:
            StoreError: the outbox is unavailable. A claimed delivery becomes free again when its lease expires.
        """
        now = self._clock.now()
        delivery = self._claim(now)
        if delivery is None:
            return False
        started = time.monotonic()
        try:
            if self._is_superseded(delivery):
                self._log(delivery, _decoded(delivery.body), "superseded", 0.0)
            else:
                self._attempt(delivery)
        except StoreError:
            raise
        except Exception as error:  # a delivery must not stop others
            log.warning("%s: %s", self.channel.name, unexpected(error).message, exc_info=True)
            self._failed(delivery, unexpected(error), time.monotonic() - started)
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

    def _is_superseded(self, delivery: Delivery) -> bool:
        """Drop a page whose resolve is already in the outbox, together with the resolve if the page was never sent.

        A page sent after its resolve would open an incident that stays open.
        """
        with self._store.write() as connection:
            if delivery.action not in self.channel.actions:
                return outbox.settle(connection, delivery, Status.SUPERSEDED)
            if delivery.action is not Action.TRIGGER:
                return False
            later = outbox.conversation(connection, delivery.channel, delivery.key)
            resolve = next((d for d in later if d.action is Action.RESOLVE), None)
            if resolve is None or resolve.sequence < delivery.sequence:
                return False
            outbox.settle(connection, delivery, Status.SUPERSEDED)
            sent = [d for d in later if d.action is Action.TRIGGER and d.status is Status.SENT]
            if not delivery.maybe_sent and not sent:
                outbox.supersede(connection, delivery.channel, delivery.key, resolve.sequence + 1)
            return True

    def _attempt(self, delivery: Delivery) -> None:
        try:
            notification = decode(delivery.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            words = f"the notification cannot be decoded: {error}"
            self._failed(delivery, AttemptError(words, FailureKind.MALFORMED), 0.0)
            return
        if not self._has_lease(delivery):
            log.warning("%s: not sent, because its lease was lost", delivery.key)
            return
        started = time.monotonic()
        try:
            with self._keeping_lease(delivery):
                answer = attempt(partial(self.channel.send, notification))
        except AttemptError as failure:
            self._failed(delivery, failure, time.monotonic() - started)
        else:
            self._sent(delivery, answer, time.monotonic() - started)

    def _has_lease(self, delivery: Delivery) -> bool:
        """Renew the lease; whether this worker still holds it and may send."""
        started = time.monotonic()
        is_ours = self._renew(delivery)
        needed = self.channel.seconds if self._outlasts else 0.0
        return is_ours and time.monotonic() - started < self._lease - needed

    def _renew(self, delivery: Delivery) -> bool:
        with self._store.write() as connection:
            return outbox.renew(connection, delivery, self._clock.now(), self._lease)

    @contextmanager
    def _keeping_lease(self, delivery: Delivery) -> Iterator[None]:
        """Renew the lease during the attempt if it may expire."""
        if self._outlasts:
            yield
            return
        done = threading.Event()
        keeper = threading.Thread(
            target=self._renew_until, args=(delivery, done), name="keep-lease", daemon=True
        )
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def _renew_until(self, delivery: Delivery, done: threading.Event) -> None:
        while not done.wait(self._lease / 3):
            with self._store.faults.isolate("outbox", f"lease of {delivery.channel}"):
                try:
                    self._renew(delivery)
                except StoreError as error:  # the database may be back before the lease expires
                    log.warning("the lease of %s could not be renewed: %s", delivery.key, error)

    def _sent(self, delivery: Delivery, answer: str, seconds: float) -> None:
        now = self._clock.now()
        self._log(delivery, _decoded(delivery.body), "sent", seconds)
        with self._store.write() as connection:
            outbox.settle(connection, delivery, Status.SENT)
            outbox.add_receipt(connection, _receipt(delivery, now, "sent", answer, None, seconds))
            if delivery.action is Action.TRIGGER:
                incident = incidents.get(connection, delivery.channel, delivery.key, lock=True)
                if incident is not None and incident.accepted_at is None:
                    incidents.put(connection, [replace(incident, accepted_at=now)])

    def _failed(self, delivery: Delivery, failure: AttemptError, seconds: float) -> None:
        now = self._clock.now()
        notification = _decoded(delivery.body)
        is_small = notification is None or notification.is_small or notification.message is not None
        retry = next_attempt(failure, delivery, now, random.random(), is_small=is_small)  # noqa: S311
        outcome = "retry" if retry.status is Status.PENDING else str(retry.status)
        self._log(delivery, notification, outcome, seconds, failure)
        self._paused_until = max(self._paused_until, retry.pause)
        body = encode(replace(notification, is_small=True)) if retry.shrink and notification else None
        with self._store.write() as connection:
            outbox.settle(connection, delivery, retry.status, retry.not_before, body)
            outbox.add_receipt(
                connection, _receipt(delivery, now, failure.kind, failure.message, failure.code, seconds)
            )
            if retry.fall_back:
                incident = incidents.get(connection, delivery.channel, delivery.key, lock=True)
                if incident is not None and incident.refused_at is None:
                    incidents.put(connection, [replace(incident, refused_at=now)])

    def _log(
        self,
        delivery: Delivery,
        notification: Notification | None,
        outcome: str,
        seconds: float,
        failure: AttemptError | None = None,
    ) -> None:
        """Log one attempt. Outcomes: `sent`, `retry`, `dead` (not tried again), `superseded`."""
        fields: dict[str, object] = {"channel": self.channel.name, "action": str(delivery.action)}
        if notification is not None:
            fields |= {"alert": notification.alert, "stream": notification.source}
        fields |= {"key": delivery.key, "attempt": delivery.attempts + 1, "outcome": outcome}
        fields["duration"] = round(seconds, 3)
        if failure is None:
            log.info("delivery", extra=fields)
        else:
            log.warning("delivery", extra=fields | {"failure": str(failure.kind), "reason": failure.message})


def _decoded(body: bytes) -> Notification | None:
    try:
        return decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _receipt(
    delivery: Delivery, now: float, outcome: str, detail: str, code: int | None, seconds: float
) -> Receipt:
    assert delivery.id is not None
    return Receipt(delivery.id, now, outcome, visible(detail)[:LONGEST], code, seconds)
