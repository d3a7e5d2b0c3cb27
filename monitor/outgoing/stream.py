"""Connections with a budget, for HTTP and mail."""

import ssl
from collections.abc import Callable

import httpcore2

from monitor.outgoing.budget import CallBudget
from monitor.outgoing.names import addresses

_AT_ONCE = 16_384
"""Bytes that are written between two checks of the time."""
_FAILURES = (httpcore2.ConnectError, httpcore2.ConnectTimeout)


class LimitedStream(httpcore2.NetworkStream):
    """A connection; `budget` returns the budget of the current call."""

    def __init__(self, inner: httpcore2.NetworkStream, budget: Callable[[], CallBudget]) -> None:
        self._inner, self._budget = inner, budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to `max_bytes` bytes; empty if the peer has closed the connection."""
        budget = self._budget()
        try:
            data = self._inner.read(max_bytes, _shorter(timeout, budget.left()))
        except httpcore2.ReadTimeout:
            budget.left()
            raise
        budget.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        budget = self._budget()
        for start in range(0, len(buffer), _AT_ONCE):
            self._inner.write(buffer[start : start + _AT_ONCE], _shorter(timeout, budget.left()))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "LimitedStream":
        """Start TLS on this connection."""
        left = _shorter(timeout, self._budget().left())
        return LimitedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._budget)

    def get_extra_info(self, info: str) -> object:
        """Information about the underlying connection."""
        return self._inner.get_extra_info(info)


def connect(host: str, port: int, budget: CallBudget) -> LimitedStream:
    """Connect to the first address of a host that responds; each address gets a share of the time.

    Raises:
        httpcore2.ConnectError: no address accepts the connection.
        httpcore2.TimeoutException: no address responded in time.
    """
    return _connected(host, port, lambda: budget)


def _connected(host: str, port: int, budget: Callable[[], CallBudget]) -> LimitedStream:
    candidates = addresses(host, budget())
    for number, address in enumerate(candidates, 1):
        share = budget().left() / (len(candidates) - number + 1)
        try:
            return LimitedStream(httpcore2.SyncBackend().connect_tcp(address, port, share), budget)
        except _FAILURES as error:
            last = error
        except (OverflowError, ValueError) as error:  # an invalid port
            raise httpcore2.ConnectError(str(error)) from error
    raise last


class Backend(httpcore2.NetworkBackend):
    """The network backend of httpcore: each connection uses the budget of the current thread's call."""

    def __init__(self, budget: Callable[[], CallBudget]) -> None:
        self._budget = budget

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: object = None,  # noqa: ARG002
    ) -> LimitedStream:
        """Connect. The budget limits the time; local address and options are ignored."""
        return _connected(host, port, self._budget)


def _shorter(timeout: float | None, left: float) -> float:
    return left if timeout is None else min(timeout, left)
