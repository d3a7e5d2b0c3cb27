"""Connections for libraries that expect a socket: `smtplib`, `imaplib`, `asyncssh`."""

import base64
import io
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import httpcore2

from monitor.outgoing.budget import CallBudget
from monitor.outgoing.stream import LimitedStream, connect
from monitor.visible import one_line

T = TypeVar("T")
_HOST = re.compile(r"[!-~]+")
_OPENED = re.compile(r"HTTP/1\.[01] 2[0-9][0-9]( .*)?")
_PROXY_PORT = 80
_LARGEST_HEAD = 16_384
"""Bytes of the head of a proxy's answer."""


def open_socket(host: str, port: int, budget: CallBudget) -> "BudgetSocket":
    """Connect.

    Raises:
        OSError: no address responds in time.
    """
    return BudgetSocket(_mapped(lambda: connect(host, port, budget)))


def connected_socket(host: str, port: int, budget: CallBudget, proxy: str = "") -> socket.socket:
    """A plain connected socket, for a client that has deadlines of its own. `proxy` is the URL of an HTTP proxy that
    opens a tunnel to the host (CONNECT), and resolves its name.

    Raises:
        OSError: no address responds in time, or the proxy opens no tunnel.
    """
    stream = _mapped(lambda: _tunnel(proxy, host, port, budget) if proxy else connect(host, port, budget))
    plain = stream.get_extra_info("socket")
    assert isinstance(plain, socket.socket)
    return plain


def _tunnel(proxy: str, host: str, port: int, budget: CallBudget) -> LimitedStream:
    """A connection to a host through a proxy. Nothing after the head of the proxy's answer is read."""
    parts = urlsplit(proxy)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not _HOST.fullmatch(where):
        raise ConnectionError("the host name has invalid characters")
    request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request += f"Proxy-Authorization: Basic {base64.b64encode(account.encode()).decode()}\r\n"
    stream = connect(parts.hostname or "", parts.port or _PROXY_PORT, budget)
    try:
        stream.write(request.encode() + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.read(1)
            head += byte
            if not byte or len(head) > _LARGEST_HEAD:
                raise ConnectionError("the proxy's answer is not HTTP")
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if not _OPENED.fullmatch(status):
            raise ConnectionError(f"the proxy opens no tunnel to {where}: {one_line(status)[:100]}")
    except BaseException:
        stream.close()
        raise
    return stream


class BudgetSocket(io.RawIOBase):
    """The part of a socket that `smtplib` and `imaplib` use."""

    def __init__(self, stream: LimitedStream) -> None:
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
