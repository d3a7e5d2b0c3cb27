"""The regular security audit as a mail: on the first day of a month, once, about the month before."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.alerts.notification import Message
from monitor.config.units import DAY, HOUR
from monitor.digest.email_delivery import EMAIL, list_headers, mailing
from monitor.maintenance.security_report import Installation, SecurityFinding, read, report, words
from monitor.records import DAEMON, Delivery
from monitor.store import audit, digests, outbox
from monitor.store.audit_checkpoints import Signer
from monitor.store.db import Store

KIND = "audit"
"""How the report is named among the digests that went out, of the client `watchkeeper`."""
_AT = 8.0 * HOUR
LATE = 7.0 * DAY
"""Seconds after which a late report is not sent any more; `watchkeeper audit report` prints it at any time."""


@dataclass(frozen=True, slots=True)
class ReportMonth:
    """The month of a report: its start and end in seconds since the epoch (UTC), and since when the report is due."""

    start: float
    end: float
    at: float

    @property
    def key(self) -> str:
        """The date of the first day after it, as digests are named."""
        return f"{datetime.fromtimestamp(self.end, UTC):%Y-%m-%d}"

    @property
    def title(self) -> str:
        """`October 2026`."""
        return f"{datetime.fromtimestamp(self.start, UTC):%B %Y}"


def due(now: float) -> ReportMonth | None:
    """The month whose report is due: from 08:00 UTC on the first day, for a week."""
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start, end = (first - timedelta(days=1)).replace(day=1).timestamp(), first.timestamp()
    return ReportMonth(start, end, end + _AT) if end + _AT <= now < end + _AT + LATE else None


def message(lines: Sequence[SecurityFinding], period: ReportMonth, version: str, address: str) -> Message:
    """The mail to one recipient."""
    wrong = sum(not line.is_well for line in lines)
    verdict = (
        f"{wrong} {'finding needs' if wrong == 1 else 'findings need'} attention" if wrong else "all is well"
    )
    text = "\n".join(
        [
            f"Security audit of Watchkeeper, {period.title}",
            "",
            *map(words, lines),
            "",
            f"Watchkeeper {version}",
            "",
        ]
    )
    headers = list_headers("audit.watchkeeper", "Watchkeeper security audit", "")
    return Message(
        f"Watchkeeper security audit, {period.title}: {verdict}", text, to=(address,), headers=headers
    )


@dataclass(frozen=True, slots=True)
class AuditMailer:
    """Sends the report to `to`, if mails can be sent: if `channels`, the names of the configured ones, hold them."""

    store: Store
    to: Sequence[str]
    channels: Collection[str]
    installation: Installation
    signer: Signer
    version: str

    def send_due(self, now: float) -> int:
        """Put the report that is due and not sent yet into the outbox; the number of mails.

        Raises:
            StoreError: the database is unavailable; the report is sent later.
        """
        period = due(now)
        if period is None or not self.to or EMAIL not in self.channels:
            return 0
        with self.store.read() as connection:
            if digests.is_out(connection, DAEMON.client, KIND, period.key):
                return 0
            lines = report(read(connection, self.installation, self.signer, period.start, now))
        deliveries = [self._delivery(lines, period, address, now) for address in dict.fromkeys(self.to)]
        with self.store.write() as connection:
            if not digests.claim(connection, DAEMON.client, KIND, period.key, now, "sent"):
                return 0
            outbox.add(connection, deliveries)
            what = f"send the security audit of {period.title}, readers: {len(deliveries)}"
            audit.note(connection, now, audit.DAEMON, what, action="send")
        return len(deliveries)

    def _delivery(
        self, lines: Sequence[SecurityFinding], period: ReportMonth, address: str, now: float
    ) -> Delivery:
        made = message(lines, period, self.version, address)
        key = f"digest/{DAEMON.client}/{KIND}/{period.key}/{address.lower()}"
        return mailing(EMAIL, key, DAEMON.client, made, made.subject, now)
