"""E-mail over SMTP. An incident's mails carry stable ids, so that a repeated one is recognised and they thread."""

import hashlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from pydantic import Field

from monitor.alerts.notification import Message, Notification
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, Rate
from monitor.notify.failure import AttemptError, Kind
from monitor.notify.text import headline, lines
from monitor.records import Action
from monitor.settings import Secret, Section


class EmailSettings(Section):
    """E-mail over SMTP."""

    host: str
    """The mail server."""
    port: int = 587
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is secured; `none` only for a server on this host."""
    user: str = ""
    """The name to sign in with; empty signs in with nothing."""
    password: Secret | None = None
    """The password to sign in with."""
    sender: str
    """The From address."""
    to: tuple[str, ...]
    """Who gets notifications."""
    clients: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other recipients for some clients."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""


class Email:
    """Sends one mail a page and one for its end."""

    name = "email"
    rate: Rate | None = Rate(burst=10, per_second=0.5)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._context = ssl.create_default_context(cafile=settings.ca_file or None)

    def send(self, notification: Notification) -> str:
        """One mail, one attempt."""
        if notification.message is not None:
            return self.deliver(letter(notification, notification.message, self._settings.sender))
        recipients = self._settings.clients.get(notification.client, self._settings.to)
        return self.deliver(mail(notification, self._settings.sender, recipients))

    def deliver(self, message: EmailMessage) -> str:
        """Hand one mail to the server.

        Raises:
            AttemptError: the server did not take it for every recipient.
        """
        try:
            with self._signed_in() as server:
                refused = server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(*next(iter(error.recipients.values()))) from error
        except ssl.SSLCertVerificationError as error:
            words = f"the mail server's certificate is refused: {error.verify_message}"
            raise AttemptError(words, Kind.MISCONFIGURED) from error
        except (smtplib.SMTPException, OSError) as error:
            raise AttemptError(f"the mail server did not answer: {error}", Kind.UNREACHABLE) from error
        return f"taken for {len(message['To'].split(',')) - len(refused)} recipients"

    def greet(self) -> None:
        """Connect and sign in, and leave again without a mail.

        Raises:
            AttemptError: the server cannot be reached, is not trusted, or lets nobody of this name in.
        """
        try:
            with self._signed_in() as server:
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise AttemptError(str(error), Kind.UNREACHABLE) from error

    def close(self) -> None:
        """Nothing to give back: each mail has its own connection."""

    def _signed_in(self) -> smtplib.SMTP:
        server = self._connection()
        if self._settings.user and self._settings.password:
            try:
                server.login(self._settings.user, self._settings.password.get_secret_value())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server

    def _connection(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security == "tls":
            return smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=ATTEMPT_SECONDS, context=self._context
            )
        server = smtplib.SMTP(settings.host, settings.port, timeout=ATTEMPT_SECONDS)
        if settings.security == "starttls":
            server.starttls(context=self._context)
        return server


def mail(notification: Notification, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """The mail for a notification. What follows a page answers to it, so that mail programs show one thread."""
    first = _message_id(notification.key, Action.TRIGGER, 1, sender)
    message = EmailMessage()
    message["Subject"] = headline(notification).replace("\n", " ")[:200]
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    moment = notification.said_at or notification.ended_at or notification.started_at
    message["Date"] = format_datetime(datetime.fromtimestamp(moment, UTC))
    own = _message_id(notification.key, notification.action, notification.sequence, sender)
    message["Message-ID"] = own
    message["Auto-Submitted"] = "auto-generated"
    if own != first:
        message["In-Reply-To"] = first
        message["References"] = first
    message.set_content("\n".join(lines(notification)) + "\n")
    return message


def letter(notification: Notification, content: Message, sender: str) -> EmailMessage:
    """A letter as it was written, such as a digest: text and HTML, each complete; it answers to nothing."""
    message = EmailMessage()
    message["Subject"] = content.subject.replace("\n", " ")[:200]
    message["From"] = sender
    message["To"] = ", ".join(content.to)
    message["Date"] = format_datetime(datetime.fromtimestamp(notification.started_at, UTC))
    message["Message-ID"] = _message_id(notification.key, notification.action, 1, sender)
    for name, value in content.headers:
        message[name] = value
    message.set_content(content.text)
    if content.html:
        message.add_alternative(content.html, subtype="html")
    return message


def _message_id(key: str, action: Action, sequence: int, sender: str) -> str:
    digest = hashlib.sha256(f"{key}|{action.value}|{sequence}".encode()).hexdigest()[:32]
    return f"<{digest}@{sender.partition('@')[2] or 'watchkeeper'}>"


def _refused(code: int, text: bytes | str) -> AttemptError:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    message = f"the mail server answered {code}: {words[:200]}"
    if code in (530, 534, 535):
        return AttemptError(message, Kind.MISCONFIGURED, code=code)
    return AttemptError(message, Kind.UNREACHABLE if code < 500 else Kind.MALFORMED, code=code)
