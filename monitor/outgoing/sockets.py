"""Connections for libraries that expect a socket: `smtplib`, `imaplib`, `asyncssh`."""

import io
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import httpcore2

from monitor.outgoing.budget import Budget
from monitor.outgoing.stream import Stream, connect

T = TypeVar("T")


def open_socket(host: str, port: int, budget: Budget) -> "BudgetSocket":
    """Connect.

    Raises:
        OSError: no address responds in time.
    """
    return BudgetSocket(_mapped(lambda: connect(host, port, budget)))


def connected_socket(host: str, port: int, budget: Budget) -> socket.socket:
    """A plain connected socket, for a client that has deadlines of its own.

    Raises:
        OSError: no address responds in time.
    """
    plain = _mapped(lambda: connect(host, port, budget)).get_extra_info("socket")
    assert isinstance(plain, socket.socket)
    return plain


class BudgetSocket(io.RawIOBase):
    """The part of a socket that `smtplib` and `imaplib` use."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def encrypted(self, context: ssl.SSLContext, host: str) -> "BudgetSocket":
        """The same connection with TLS."""
        return BudgetSocket(_mapped(lambda: self._stream.start_tls(context, host)))

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        _mapped(lambda: self._stream.write(data))

    def shutdown(self, _how: int) -> None:
        """As for a socket: `close` ends both directions."""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of the buffer."""
        data = _mapped(lambda: self._stream.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A reader of the connection."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        super().close()


class _Reader(io.RawIOBase):
    """A reader of a connection; closing it leaves the connection open, as with `socket.makefile`."""

    def __init__(self, connection: BudgetSocket) -> None:
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
