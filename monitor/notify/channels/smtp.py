"""An SMTP session with a total deadline and size limit, based on the standard library's `smtplib`."""

import base64
import contextlib
import hmac
import smtplib
import ssl
from collections.abc import Callable
from typing import Any

from monitor.outgoing import CallBudget
from monitor.outgoing.names import own_name
from monitor.outgoing.sockets import open_socket

MOST_BYTES = 256_000
"""Bytes that a server may send in one session."""
_MOST_CHALLENGES = 5
_NAMELESS = "[127.0.0.1]"
"""The EHLO name of a host without a fully qualified name, as in the standard library."""


class SmtpSession(smtplib.SMTP):
    """`smtplib.SMTP` with a budget and UTF-8 credentials.

    All methods raise `smtplib.SMTPException` and `OSError`.
    """

    def __init__(self, host: str, port: int, budget: CallBudget, tls: ssl.SSLContext | None = None) -> None:
        """Connect and read the greeting; with `tls`, encrypted from the first byte."""
        self._budget, self._tls, self._server = budget, tls, host
        super().__init__(host, port, local_hostname=own_name() or _NAMELESS)

    def secure(self, context: ssl.SSLContext) -> None:
        """Encrypt the connection (STARTTLS)."""
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("the mail server does not offer STARTTLS")
        code, answer = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, answer)
        connection: Any = self.sock
        self.sock = connection.encrypted(context, self._server)
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False

    def auth(
        self, mechanism: str, authobject: Callable[..., Any], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """As in the standard library, with UTF-8 instead of ASCII credentials (RFC 4616)."""
        first = authobject() if initial_response_ok else None
        self._auth_challenge_count = 0 if first is None else 1
        words = mechanism.upper() if first is None else f"{mechanism.upper()} {_encoded(first)}"
        code, answer = self.docmd("AUTH", words)
        while code == 334 and self._auth_challenge_count < _MOST_CHALLENGES:
            self._auth_challenge_count += 1
            code, answer = self.docmd(_encoded(authobject(base64.b64decode(answer))))
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, answer)
        return code, answer

    def auth_cram_md5(self, challenge: bytes | None = None) -> str | None:  # type: ignore[override]
        """As in the standard library, with UTF-8."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"

    def quit_and_close(self) -> None:
        """Send QUIT and close, without waiting for the reply: an accepted mail stays accepted."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self.putcmd("quit")
        self.close()

    def _get_socket(self, host: str, port: int, _timeout: object) -> Any:
        connection = open_socket(host, port, self._budget)
        return connection.encrypted(self._tls, host) if self._tls else connection


def _encoded(words: str) -> str:
    return base64.b64encode(words.encode()).decode()
