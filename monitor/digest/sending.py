"""Sending digests: composed when due, and stored in the outbox in the transaction that marks them as sent."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import Connection

from monitor.alerts.dedup_key import fitted
from monitor.alerts.notification import Message
from monitor.config.units import HOUR
from monitor.digest import reading, render
from monitor.digest.capacity import DiskForecast, Measured, resource_notes
from monitor.digest.compose import Digest, compose
from monitor.digest.email_delivery import EMAIL, mailing
from monitor.digest.schedule import Due, due
from monitor.digest.service import periods, posting, report
from monitor.digest.service.periods import Period
from monitor.digest.service.report import ServiceReport
from monitor.health import client_state
from monitor.health.settings import ClientSettings
from monitor.records import Delivery, Status
from monitor.store import audit, audit_checkpoints, daily_summaries, digests, outbox
from monitor.store.db import Store

SLACK = "slack"
OVERDUE = float(HOUR)
"""Seconds after which a digest that is not out counts as late."""
LOOKBACK_DAYS = 42
"""Days of figures to read: enough to compare with four weeks ago and to find the last confirmed outcomes."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends digests. `channels` are the names of the configured channels, `base_seconds` the length of base windows.

    `measured` returns the measurements of the last tick.
    """

    store: Store
    clients: Mapping[str, ClientSettings]
    channels: Collection[str]
    public_url: str
    version: str
    base_seconds: int = 60
    disk: DiskForecast = field(default_factory=lambda: DiskForecast(lambda: None))
    measured: Callable[[], Measured] = dict

    def send_due(self, now: float) -> int:
        """Put the digests and service reports that are due and not sent yet into the outbox; returns how many."""
        sent = 0
        with self.store.faults.isolate("digests", "disk"):
            self.disk.look(now)
        for client, settings in self.clients.items():
            with self.store.faults.isolate("digests", client):
                sent += sum(self._send(client, settings, one, now) for one in due(settings, now))
            with self.store.faults.isolate("digests", f"{client}: service report"):
                sent += sum(
                    self._send_report(client, settings, *one, now) for one in periods.due(settings, now)
                )
        return sent

    def service_report(self, client: str, period: Period, now: float) -> ServiceReport | None:
        """The service report on a period; None for a client without models, or a period that has not begun."""
        with self.store.read() as connection:
            return report.read(connection, client, self.clients.get(client, ClientSettings()), period, now)

    def _send_report(
        self, client: str, settings: ClientSettings, period: Period, at: float, now: float
    ) -> bool:
        kind, day = posting.KINDS[period.kind], period.following().first.isoformat()
        with self.store.read() as connection:
            if digests.is_out(connection, client, kind, day):
                return False
        made = self.service_report(client, period, max(at, now))
        with self.store.write() as connection:
            outcome = "sent" if made is not None else "nothing new"
            if not digests.claim(connection, client, kind, day, now, outcome) or made is None:
                return False
            deliveries = self._report_deliveries(connection, made, settings, kind, day, now)
            outbox.add(connection, deliveries)
            _note(connection, client, f"service report of {period.key}", len(deliveries), now)
        return True

    def _report_deliveries(
        self,
        connection: Connection,
        made: ServiceReport,
        settings: ClientSettings,
        kind: str,
        day: str,
        now: float,
    ) -> list[Delivery]:
        if EMAIL not in self.channels:
            return []
        deliveries = []
        for address, unsubscribe in self._readers(connection, made.client, settings):
            message = posting.mail(made, self.version, address, self.public_url, unsubscribe)
            key = _key(made.client, kind, day, address.lower())
            deliveries.append(mailing(EMAIL, key, made.client, message, made.verdict, now))
        return deliveries

    def _readers(
        self, connection: Connection, client: str, settings: ClientSettings
    ) -> Iterator[tuple[str, str]]:
        """Each recipient who has not unsubscribed, with their link for it; empty without a public URL."""
        for address in settings.digest.to:
            token = digests.token(connection, client, address)
            if token is not None:
                page = self.public_url.rstrip("/")
                yield address, f"{page}/unsubscribe/{token}" if page else ""

    def preview(self, client: str, now: float, kind: str = "daily") -> Digest | None:
        """The digest that would be sent now; None for a client without data."""
        settings = self.clients.get(client, ClientSettings())
        today = client_state.local_date(now, settings)
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
            deliveries = self._deliveries(connection, digest, settings, now)
            outbox.add(connection, deliveries)
            _note(connection, client, f"{one.kind} digest of {one.day}", len(deliveries), now)
        return True

    def _composed(
        self, connection: Connection, client: str, settings: ClientSettings, one: Due
    ) -> Digest | None:
        health = client_state.client(connection, client, settings, one.at)
        if health is None:
            return None
        figures = daily_summaries.between(
            connection, client, one.day - timedelta(days=LOOKBACK_DAYS), one.day
        )
        figures = {stream: own for stream, own in figures.items() if stream.environment == client_state.SHOWN}
        seen = reading.observed(connection, client, health, settings, one, self.base_seconds)
        notes = reading.notes(connection, client, settings, one, {s for s, own in seen.items() if own.moved})
        notes += resource_notes(self.measured(), client, settings)
        notes += filter(None, [self.disk.words()])
        digest = compose(health, figures, notes, one, settings, self.public_url, seen)
        last = audit_checkpoints.of(connection, client)[-1:]
        return replace(
            digest, checkpoint="".join(f"{client}:{one.sequence}:{one.hash.hex()}" for one in last)
        )

    def _deliveries(
        self, connection: Connection, digest: Digest, settings: ClientSettings, now: float
    ) -> list[Delivery]:
        deliveries = []
        if EMAIL in self.channels:
            for address, unsubscribe in self._readers(connection, digest.client, settings):
                message = render.mail(digest, self.version, address, unsubscribe)
                deliveries.append(_delivery(EMAIL, digest, message, now, address.lower()))
        if SLACK in self.channels and settings.digest.slack:
            deliveries.append(_delivery(SLACK, digest, render.chat(digest, self.version), now))
        return deliveries


def _note(connection: Connection, client: str, what: str, readers: int, now: float) -> None:
    if readers:
        audit.note(
            connection, now, audit.DAEMON, f"send the {what}, readers: {readers}", client, action="send"
        )


def overdue(connection: Connection, clients: Mapping[str, ClientSettings], now: float) -> int:
    """Number of digests and reports that are an hour late, or whose delivery failed permanently."""
    late = 0
    for client, settings in clients.items():
        for kind, day, at in _due(settings, now):
            is_out = digests.is_out(connection, client, kind, day)
            late += not is_out and now - at > OVERDUE
            for channel, address in _receivers(settings) if is_out else ():
                deliveries = outbox.conversation(connection, channel, _key(client, kind, day, address))
                late += any(delivery.status is Status.DEAD for delivery in deliveries)
    return late


def _due(settings: ClientSettings, now: float) -> Iterator[tuple[str, str, float]]:
    """Kind, local date and time of all that is due."""
    yield from ((one.kind, one.day.isoformat(), one.at) for one in due(settings, now))
    for period, at in periods.due(settings, now):
        yield posting.KINDS[period.kind], period.following().first.isoformat(), at


def _receivers(settings: ClientSettings) -> list[tuple[str, str]]:
    return [(EMAIL, address.lower()) for address in settings.digest.to] + [(SLACK, "")]


def _key(client: str, kind: str, day: str, address: str) -> str:
    """The dedup key of one reader's digest. Keys of readers differ even where long names are cut."""
    return fitted(f"digest/{client}/{kind}/{day}/{address}")


def _delivery(channel: str, digest: Digest, message: Message, now: float, address: str = "") -> Delivery:
    key = _key(digest.client, digest.kind, digest.day.isoformat(), address)
    return mailing(channel, key, digest.client, message, digest.verdict, now)
