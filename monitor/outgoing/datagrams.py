"""Datagrams to one address, over UDP or a Unix socket."""

import contextlib
import socket
from urllib.parse import unquote, urlsplit

import httpcore2

from monitor.outgoing.budget import CallBudget
from monitor.outgoing.names import addresses


class Datagrams:
    """Sends datagrams to `udp://HOST:PORT` or `unix:///PATH`. After an error it reconnects, so that an address that
    has moved is found. Not for use by several threads.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._socket: socket.socket | None = None

    def send(self, data: bytes, budget: CallBudget) -> None:
        """Send one datagram.

        Raises:
            OSError: it was not sent: nobody listens, it is too large, or the receiver takes none within the budget.
        """
        try:
            if self._socket is None:
                self._socket = self._connected(budget)
            self._socket.settimeout(budget.left())
            self._socket.send(data)
        except httpcore2.NetworkError as error:
            raise OSError(str(error)) from error
        except httpcore2.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the socket; the next datagram opens another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self, budget: CallBudget) -> socket.socket:
        if self._parts.scheme == "unix":
            return _connect(socket.AF_UNIX, unquote(self._parts.path))
        address = addresses(self._parts.hostname or "", budget)[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return _connect(family, (address, self._parts.port or 0))


def _connect(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.connect(address)
    except BaseException:
        opened.close()
        raise
    return opened
