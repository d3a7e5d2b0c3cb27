"""Bundles by mail: each as the attachment of a mail to the agency's mailbox.

A bundle counts as sent when the mail server has taken it. What is lost after that is missing at the agency, and
reported there.
"""

import hashlib
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from monitor.notify.channels.email import Email, EmailSettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.outgoing.headers import mail_header
from monitor.sites.settings import MailDestination
from monitor.sites.transports.transport import SECONDS, TryAgainError

_TEXT = (
    "The attachment is a bundle of counts of the site {site}, for `watchkeeper site import`. It is signed.\n"
)
_LOCAL = 64
_TOO_LARGE = (523, 552)


class _Slowly(Email):
    seconds = SECONDS


class Mail:
    """Mails bundles, each over a connection of its own."""

    def __init__(self, site: str, to: MailDestination) -> None:
        """Read the certificates.

        Raises:
            OSError: they cannot be read.
        """
        self._site, self._to = site, to
        values = to.model_dump(exclude={"to", "most"}) | {"to": (to.to,)}
        self._channel = _Slowly(EmailSettings.model_validate(values))

    def send(self, path: Path) -> str:
        """Mail a bundle; why the mail server refuses it for good, or an empty string.

        Raises:
            TryAgainError: the mail server cannot be reached, or takes no mails from this site.
        """
        try:
            self._channel.deliver(self._mail(path))
        except AttemptError as error:
            if _is_of_the_bundle(error):
                return f"{error.message}; if it is too large, set a smaller site.to.mail.most"
            raise TryAgainError(error.message) from error
        return ""

    def close(self) -> None:
        """Nothing is open."""

    def _mail(self, path: Path) -> EmailMessage:
        """The same mail for the same bundle, so that mail programs see a repetition."""
        content = path.read_bytes()
        message = EmailMessage()
        message["Subject"] = mail_header(f"Watchkeeper bundle {path.stem}")
        message["From"] = self._to.sender
        message["To"] = self._to.to
        message["Date"] = format_datetime(datetime.fromtimestamp(path.stat().st_mtime, UTC))
        message["Message-ID"] = f"<{hashlib.sha256(content).hexdigest()[:_LOCAL]}@watchkeeper>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_TEXT.format(site=self._site))
        message.add_attachment(
            content, maintype="application", subtype="vnd.watchkeeper.bundle", filename=path.name
        )
        return message


def _is_of_the_bundle(error: AttemptError) -> bool:
    """Whether the server refuses this mail, not the site: for its size before it is sent, or for anything after."""
    if isinstance(error.__cause__, smtplib.SMTPSenderRefused):
        return error.code in _TOO_LARGE
    return error.kind is FailureKind.MALFORMED and isinstance(error.__cause__, smtplib.SMTPDataError)
