"""Tells subscribers what has changed on their page since the last mail: states of models, and updates on incidents.

A mail says what the page says at that moment. A change that is gone again before the next mail is not reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection

from monitor.alerts.notification import Message
from monitor.config.units import MINUTE
from monitor.digest.changes import subscriptions
from monitor.digest.email_delivery import EMAIL, mailing
from monitor.health import client_state, wording
from monitor.health.model_state import ClientHealth, Health
from monitor.health.settings import ClientSettings
from monitor.store import audit, change_subscriptions, outbox
from monitor.store.change_subscriptions import Subscription
from monitor.store.db import Store
from monitor.store.incident_notes import IncidentNote

BETWEEN = 5.0 * MINUTE
"""Seconds between two mails to one address: changes in between are sent in one."""
_MOST_LINES = 50


class MailedState(msgspec.Struct, frozen=True):
    """The state that a mail has shown: that of each model, and the updates by their ids."""

    models: dict[str, str] = {}
    notes: list[str] = []


@dataclass(frozen=True, slots=True)
class ChangeMailer:
    """Sends mails about changes. `channels` are the names of the configured channels."""

    store: Store
    clients: Mapping[str, ClientSettings]
    channels: frozenset[str]
    public_url: str

    def send_due(self, now: float) -> int:
        """Put mails about changes into the outbox; their number."""
        if EMAIL not in self.channels or not self.public_url:
            return 0
        with self.store.read() as connection:
            readers = change_subscriptions.active(connection)
        sent = 0
        for client, own in readers.items():
            with self.store.faults.isolate("digests", f"{client}: changes"):
                sent += self._tell(client, own, now)
        return sent

    def _tell(self, client: str, readers: list[Subscription], now: float) -> int:
        settings = self.clients.get(client, ClientSettings())
        with self.store.read() as connection:
            health = client_state.client(connection, client, settings, now)
        if health is None:
            return 0
        state = current_state(health)
        due = [
            reader
            for reader in readers
            if not reader.told or (_has_waited(reader, now) and _read(reader) != state)
        ]
        if not due:
            return 0
        with self.store.write() as connection:
            sent = sum(self._send(connection, one, health, state, settings) for one in due)
            if sent:
                what = f"send mails on changes, readers: {sent}"
                audit.note(connection, now, audit.DAEMON, what, client, action="send")
            return sent

    def _send(
        self,
        connection: Connection,
        one: Subscription,
        health: ClientHealth,
        state: MailedState,
        settings: ClientSettings,
    ) -> bool:
        lines = changes(_read(one), health, settings) if one.told else []
        encoded = msgspec.json.encode(state).decode()
        if (
            not change_subscriptions.tell(connection, one, encoded, health.now if lines else None)
            or not lines
        ):
            return False
        message = mail(one, health, lines, self.public_url)
        key = f"changes/{one.client}/{int(health.now)}/{one.address}"
        outbox.add(connection, [mailing(EMAIL, key, one.client, message, health.headline, health.now)])
        return True


def current_state(health: ClientHealth) -> MailedState:
    """The text of a mail about this state."""
    notes = sorted(
        {note.id for model in health.models for incident in model.incidents for note in incident.notes}
    )
    return MailedState({model.stream.model: model.health.value for model in health.models}, notes)


def changes(before: MailedState, health: ClientHealth, settings: ClientSettings) -> list[str]:
    """What is different from before, in sentences: states first, the worst model first, then updates, oldest first."""
    lines = []
    for model in health.models:
        was = before.models.get(model.stream.model)
        if was == model.health.value:
            continue
        earlier = f" (before: {Health(was).word.lower()})" if was in list(Health) else " (new)"
        sentence = model.sentence.removeprefix(f"{model.title}: ")
        lines.append(f"{model.health.icon} {model.title}: {model.health.word.lower()}{earlier}. {sentence}")
    lines += [
        f"Update on {title}, {at}: {note.text}" for title, at, note in _updates(before, health, settings)
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"And {len(lines) - _MOST_LINES} more: see the page."]
    return lines


def mail(one: Subscription, health: ClientHealth, lines: list[str], public_url: str) -> Message:
    """The mail to one reader."""
    page = f"{public_url.rstrip('/')}/c/{quote(one.client, safe='')}/"
    leave = subscriptions.link(one, "leave", public_url)
    body = "\n\n".join(lines)
    text = f"{health.headline}\n\n{body}\n\nPage: {page}\nUnsubscribe: {leave}\n"
    subject = f"{health.name}: {health.headline.removesuffix('.')}"
    return Message(subject, text, to=(one.address,), headers=subscriptions.headers(one, public_url))


def _updates(
    before: MailedState, health: ClientHealth, settings: ClientSettings
) -> list[tuple[str, str, IncidentNote]]:
    known = set(before.notes)
    updates = [
        (model.title, wording.moment(note.at, settings.zone, health.now), note)
        for model in health.models
        for incident in model.incidents
        for note in incident.notes
        if note.id not in known
    ]
    return sorted(updates, key=lambda one: one[2].at)


def _has_waited(one: Subscription, now: float) -> bool:
    return one.told_at is None or not 0 <= now - one.told_at < BETWEEN


def _read(one: Subscription) -> MailedState:
    """What was sent; empty if it cannot be read, so that everything is sent again."""
    try:
        return msgspec.json.decode(one.told, type=MailedState)
    except (msgspec.DecodeError, RecursionError):
        return MailedState()
