"""An SMTP session with a total deadline and size limit, based on the standard library's `smtplib`."""

import base64
import contextlib
import hmac
import io
import smtplib
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import httpcore2

from monitor.outgoing import Budget, Stream, connect
from monitor.outgoing.names import own_name

T = TypeVar("T")

MOST_BYTES = 256_000
"""Bytes that a server may send in one session."""
_MOST_CHALLENGES = 5
_NAMELESS = "[127.0.0.1]"
"""The EHLO name of a host without a fully qualified name, as in the standard library."""


class SmtpSession(smtplib.SMTP):
    """`smtplib.SMTP` with a budget and UTF-8 credentials.

    All methods raise `smtplib.SMTPException` and `OSError`.
    """

    def __init__(self, host: str, port: int, budget: Budget, tls: ssl.SSLContext | None = None) -> None:
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
        connection = _Socket(_mapped(lambda: connect(host, port, self._budget)))
        return connection.encrypted(self._tls, host) if self._tls else connection


class _Socket(io.RawIOBase):
    """The part of a socket that `smtplib` uses."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def encrypted(self, context: ssl.SSLContext, host: str) -> "_Socket":
        return _Socket(_mapped(lambda: self._stream.start_tls(context, host)))

    def sendall(self, data: bytes) -> None:
        _mapped(lambda: self._stream.write(data))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = _mapped(lambda: self._stream.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Reader(io.RawIOBase):
    """A reader of a connection; closing it leaves the connection open, as with `socket.makefile`."""

    def __init__(self, connection: _Socket) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.readinto(buffer)


def _mapped(step: Callable[[], T]) -> T:
    """Run an operation on the connection; its failures are raised as `smtplib` expects them."""
    try:
        return step()
    except httpcore2.TimeoutException as error:
        raise TimeoutError(str(error) or "timed out") from error
    except httpcore2.NetworkError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise cause from error
        raise ConnectionError(str(error)) from error


def _encoded(words: str) -> str:
    return base64.b64encode(words.encode()).decode()
