"""Email over SMTP. Message-IDs derive from the incident, so that mail programs detect repeats and show threads."""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import Literal

from pydantic import Field, field_validator

from monitor.alerts.notification import Enclosure, Message, Notification
from monitor.config.sections import FileName, Secret, Section, WholeNumber
from monitor.notify.channel import PAGES, RateLimit
from monitor.notify.channels.smtp import MOST_BYTES, SmtpSession
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.html import html
from monitor.notify.text import headline, lines
from monitor.outgoing import CallBudget
from monitor.outgoing.headers import mail_header
from monitor.outgoing.tls import verifying
from monitor.records import Action
from monitor.visible import JOINERS, visible

SESSION_SECONDS = 30.0
"""Deadline of one mail, from name resolution to the acceptance by the server."""
LONGEST_SUBJECT = 200
_KEPT = "\n\t" + JOINERS
"""Unprintable characters that are kept in the text of a mail."""


class EmailSettings(Section):
    """Email over SMTP."""

    host: str
    """Host name of the mail server."""
    port: WholeNumber = 587
    """Port of the mail server."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` or `none`. Use `none` only for a server on this host."""
    user: str = ""
    """User name; empty for no authentication."""
    password: Secret | None = None
    """Password."""
    sender: str
    """The From address."""
    to: tuple[str, ...]
    """Recipients of notifications."""
    clients: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Recipients for single clients, instead of `to`."""
    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""

    @field_validator("to")
    @classmethod
    def _has_recipients(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(value)

    @field_validator("clients")
    @classmethod
    def _have_recipients(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {client: _checked(addresses) for client, addresses in value.items()}


def _checked(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses or not all("@" in address for address in addresses):
        msg = "needs at least one address, each like name@example.org"
        raise ValueError(msg)
    return addresses


class Email:
    """Sends one mail per page and one when it resolves.

    The SMTP session has a total deadline but none per reply, because many servers delay their greeting on purpose.
    """

    name = "email"
    seconds = SESSION_SECONDS
    rate: RateLimit | None = RateLimit(burst=10, per_second=0.5)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._context = verifying(settings.ca_file)

    def send(self, notification: Notification) -> str:
        """One mail, one attempt."""
        if notification.message is not None:
            return self.deliver(message_mail(notification, notification.message, self._settings.sender))
        recipients = self._settings.clients.get(notification.client, self._settings.to)
        return self.deliver(mail(notification, self._settings.sender, recipients))

    def deliver(self, message: EmailMessage) -> str:
        """Send one mail.

        Raises:
            AttemptError: the server accepted it for no recipient, or cannot be reached.
        """
        recipients = [address for _, address in getaddresses(message.get_all("To", [])) if address]
        if not recipients:
            raise AttemptError("the email has no recipients", FailureKind.MISCONFIGURED)
        with _failures(), closing(self._signed_in()) as server:
            refused = server.send_message(message, to_addrs=recipients)
            server.quit_and_close()
        count = len(recipients) - len(refused)
        accepted = f"accepted for {count} {'recipient' if count == 1 else 'recipients'}"
        return f"{accepted}, rejected for {', '.join(refused)}" if refused else accepted

    def greet(self) -> None:
        """Connect and sign in without sending a mail.

        Raises:
            AttemptError: the server cannot be reached, is not trusted, or rejects the sign-in.
        """
        with _failures(), closing(self._signed_in()) as server:
            server.noop()
            server.quit_and_close()

    def close(self) -> None:
        """Nothing to close: each mail has its own connection."""

    def _signed_in(self) -> SmtpSession:
        settings = self._settings
        budget = CallBudget(self.seconds, MOST_BYTES)
        tls = self._context if settings.security == "tls" else None
        server = SmtpSession(settings.host, settings.port, budget, tls)
        try:
            if settings.security == "starttls":
                server.secure(self._context)
            if settings.user and settings.password:
                server.login(settings.user, settings.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server


@contextmanager
def _failures() -> Iterator[None]:
    """Map exceptions of an SMTP session to `AttemptError`."""
    try:
        yield
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise _rejected(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPResponseException as error:  # before the mail itself: a smaller one would not help
        raise _rejected(error.smtp_code, error.smtp_error, FailureKind.MISCONFIGURED) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _rejected(*next(iter(error.recipients.values()))) from error
    except ssl.SSLCertVerificationError as error:
        words = f"the mail server's certificate is rejected: {error.verify_message}"
        raise AttemptError(words, FailureKind.MISCONFIGURED) from error
    except smtplib.SMTPNotSupportedError as error:
        raise AttemptError(f"not supported by the mail server: {error}", FailureKind.MISCONFIGURED) from error
    except (smtplib.SMTPException, OSError) as error:
        raise AttemptError(f"the mail server did not respond: {error}", FailureKind.UNREACHABLE) from error


def mail(notification: Notification, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """The mail for a notification. Later mails of an incident refer to the first, so that they form a thread."""
    first = _message_id(notification.key, Action.TRIGGER, 1, sender)
    message = EmailMessage()
    message["Subject"] = mail_header(headline(notification), LONGEST_SUBJECT)
    message["From"] = _address(sender)
    message["To"] = ", ".join(map(_address, recipients))
    moment = notification.said_at or notification.ended_at or notification.started_at
    message["Date"] = format_datetime(datetime.fromtimestamp(moment, UTC))
    own = _message_id(notification.key, notification.action, notification.sequence, sender)
    message["Message-ID"] = own
    message["Auto-Submitted"] = "auto-generated"
    if own != first:
        message["In-Reply-To"] = first
        message["References"] = first
    message.set_content("\n".join(visible(line, keep=_KEPT) for line in lines(notification)) + "\n")
    message.add_alternative(visible(html(notification), keep=_KEPT), subtype="html")
    return message


def message_mail(notification: Notification, content: Message, sender: str) -> EmailMessage:
    """The mail for a ready message, such as a digest: text and HTML, each complete, and its files."""
    message = EmailMessage()
    message["Subject"] = mail_header(content.subject, LONGEST_SUBJECT)
    message["From"] = _address(sender)
    message["To"] = ", ".join(map(_address, content.to))
    message["Date"] = format_datetime(datetime.fromtimestamp(notification.started_at, UTC))
    message["Message-ID"] = _message_id(notification.key, notification.action, 1, sender)
    for name, value in content.headers:
        message[mail_header(name)] = mail_header(value)
    message.set_content(visible(content.text, keep=_KEPT))
    if content.html:
        message.add_alternative(visible(content.html, keep=_KEPT), subtype="html")
        shown = message.get_body(("html",))
        assert shown is not None
        for file in content.files:
            if file.is_inline:
                _enclose(shown.add_related, file, cid=f"<{file.name}>", disposition="inline")
    for file in content.files:
        if not file.is_inline:
            _enclose(message.add_attachment, file)
    return message


def _enclose(add: Callable[..., None], file: Enclosure, **fields: str) -> None:
    kind, _, subtype = file.kind.partition("/")
    params = {"charset": "utf-8"} if kind == "text" else {}
    add(
        file.content,
        maintype=kind,
        subtype=subtype,
        filename=mail_header(file.name),
        params=params,
        **fields,
    )


def _message_id(key: str, action: Action, sequence: int, sender: str) -> str:
    text = f"{key}|{action.value}|{sequence}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    domain = parseaddr(_address(sender))[1].rpartition("@")[2]
    is_plain = re.fullmatch(r"[A-Za-z0-9.\-]+", domain) is not None
    return f"<{digest}@{domain if is_plain else 'watchkeeper'}>"


def _address(address: str) -> str:
    """An address on one line, its domain in ASCII (IDNA), which every mail server accepts."""

    def in_ascii(match: re.Match[str]) -> str:
        try:
            return "@" + match[1].encode("idna").decode("ascii")
        except UnicodeError:
            return match[0]

    return re.sub(r"@([^\s@<>,]+)", in_ascii, mail_header(address))


def _rejected(code: int, text: bytes | str, permanent: FailureKind = FailureKind.MALFORMED) -> AttemptError:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    message = f"the mail server answered {code}: {words[:200]}"
    if code in (530, 534, 535):
        return AttemptError(message, FailureKind.MISCONFIGURED, code=code)
    return AttemptError(message, FailureKind.UNREACHABLE if code < 500 else permanent, code=code)
