"""Digests on their way: composed when due, put into the outbox in the transaction that notes them as out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from monitor.alerts.notification import Message, Notification, encode
from monitor.digest import render
from monitor.digest.compose import Digest, compose
from monitor.digest.schedule import Due, due
from monitor.health import reading
from monitor.health.daybook import bounds
from monitor.health.settings import ClientSettings
from monitor.health.verdict import told
from monitor.records import Action, Delivery, Severity, State, Status
from monitor.store import alerts, days, digests, outbox
from monitor.store.db import Store

EMAIL, SLACK = "email", "slack"
PRIORITY = 5
"""Behind every page: a morning's digests must not stand before an alert."""
OVERDUE = 3600.0
LOOKED_BACK = 42
"""Days that are read: enough to compare with four weeks ago, and to say how long the truth has stayed away."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What is needed to send digests. `channels` are the names of the configured ones."""

    store: Store
    clients: Mapping[str, ClientSettings]
    channels: Collection[str]
    public_url: str
    version: str

    def send_due(self, now: float) -> int:
        """Compose what is due and not out yet; how many digests went into the outbox."""
        return sum(
            self._send(client, settings, one, now)
            for client, settings in self.clients.items()
            for one in due(settings, now)
        )

    def preview(self, client: str, now: float, kind: str = "daily") -> Digest | None:
        """The digest that would go out now; None for a client of whom nothing is known."""
        settings = self.clients.get(client, ClientSettings())
        today = reading.local_date(now, settings)
        with self.store.read() as connection:
            return self._composed(
                connection, client, settings, Due("weekly" if kind == "weekly" else "daily", today, now)
            )

    def _send(self, client: str, settings: ClientSettings, one: Due, now: float) -> bool:
        with self.store.read() as connection:
            if digests.is_out(connection, client, one.kind, one.day.isoformat()):
                return False
            digest = self._composed(connection, client, settings, one)
        silent = digest is None or (settings.digest.when == "changes" and not digest.is_news)
        with self.store.write() as connection:
            outcome = "nothing new" if silent else "sent"
            if not digests.claim(connection, client, one.kind, one.day.isoformat(), now, outcome) or silent:
                return False
            assert digest is not None
            outbox.add(connection, self._deliveries(connection, digest, settings, now))
        return True

    def _composed(
        self, connection: Connection, client: str, settings: ClientSettings, one: Due
    ) -> Digest | None:
        health = reading.client(connection, client, settings, one.at)
        if health is None:
            return None
        figures = days.between(connection, client, one.day - timedelta(days=LOOKED_BACK), one.day)
        figures = {stream: own for stream, own in figures.items() if stream.environment == reading.SHOWN}
        notes = _notes(connection, client, settings, one)
        return compose(health, figures, notes, one, settings, self.public_url)

    def _deliveries(
        self, connection: Connection, digest: Digest, settings: ClientSettings, now: float
    ) -> list[Delivery]:
        made = []
        if EMAIL in self.channels:
            for address in settings.digest.to:
                carried = digests.token(connection, digest.client, address)
                if carried is not None:
                    leave = f"{self.public_url.rstrip('/')}/unsubscribe/{carried}" if self.public_url else ""
                    message = render.mail(digest, self.version, address, leave)
                    made.append(_delivery(EMAIL, digest, message, now, address.lower()))
        if SLACK in self.channels and settings.digest.slack:
            made.append(_delivery(SLACK, digest, render.chat(digest, self.version), now))
        return made


def overdue(connection: Connection, clients: Mapping[str, ClientSettings], now: float) -> int:
    """Digests that should be out for an hour and are not, or whose delivery was given up; anything but 0 is a fault."""
    late = 0
    for client, settings in clients.items():
        for one in due(settings, now):
            is_out = digests.is_out(connection, client, one.kind, one.day.isoformat())
            late += not is_out and now - one.at > OVERDUE
            for channel, address in _receivers(settings) if is_out else ():
                told_so_far = outbox.conversation(
                    connection, channel, _key(client, one.kind, one.day.isoformat(), address)
                )
                late += any(delivery.status is Status.DEAD for delivery in told_so_far)
    return late


def _receivers(settings: ClientSettings) -> list[tuple[str, str]]:
    return [(EMAIL, address.lower()) for address in settings.digest.to] + [(SLACK, "")]


def _key(client: str, kind: str, day: str, address: str) -> str:
    return f"digest/{client}/{kind}/{day}/{address}"[:255]


def _delivery(channel: str, digest: Digest, message: Message, now: float, address: str = "") -> Delivery:
    notification = Notification(
        Action.MESSAGE,
        _key(digest.client, digest.kind, digest.day.isoformat(), address),
        "info",
        digest.subject,
        digest.verdict,
        digest.client,
        "",
        "",
        "Digest",
        now,
        message=message,
    )
    return Delivery(channel, notification.key, 1, Action.MESSAGE, encode(notification), now, PRIORITY)


def _notes(connection: Connection, client: str, settings: ClientSettings, one: Due) -> list[str]:
    """What the info tier saw in the span, in words, each once with how often."""
    first, last = one.span()
    start, end = bounds(first, settings.zone)[0], bounds(last, settings.zone)[1]
    known = alerts.load(connection)
    amounts: dict[str, int] = {}
    for transition in alerts.load_transitions(connection, start, end, client):
        is_note = transition.severity is Severity.INFO and transition.to is State.FIRING
        alert = known.get(transition.fingerprint)
        if is_note and alert is not None and transition.stream.environment == reading.SHOWN:
            sentence = told(alert, settings.title(transition.stream.model))
            amounts[sentence] = amounts.get(sentence, 0) + 1
    return [
        f"{sentence} ({amount} times)" if amount > 1 else sentence for sentence, amount in amounts.items()
    ]
