"""A real SMTP server that keeps the mails it gets, and the channel that sends to it."""

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

from monitor.notify.channels.email import Email, EmailSettings
from tests.support.ports import free_port


class Inbox:
    """Keeps the recipients and the content of each mail; rejects mails to `nobody` for good, to `full` for now."""

    def __init__(self) -> None:
        self.to: list[list[str]] = []
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.to.append(envelope.rcpt_tos)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Inbox, int]]:
    """A running server: its inbox and its port. `options` are those of aiosmtpd's controller."""
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield inbox, port
    finally:
        controller.stop()


def mailer(port: int, **values: Any) -> Email:
    """The channel to a server on this port."""
    usual = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "wk@example.org"}
    return Email(EmailSettings.model_validate(usual | {"to": ["team@example.org"]} | values))
