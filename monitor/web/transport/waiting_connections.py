"""Connections that wait for their peers: which of them is closed where there are too many."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar


class WaitingConnection(Protocol):
    """What is looked at of a connection. Neither changes while it waits, but by `Waiting.add`."""

    peer: str
    waiting_since: float | None


class WaitingPeer(WaitingConnection, Protocol):
    """What counts as a connection: one that speaks HTTP, or one whose TLS handshake is under way."""

    is_open: bool

    def check_deadlines(self, now: float, head_within: float) -> None:
        """Close it where it takes too long."""

    def close_early(self, answer: bytes = b"") -> None:
        """Close it."""


_Connection = TypeVar("_Connection", bound=WaitingConnection)


class WaitingConnections(Generic[_Connection]):
    """Of each peer those first that have waited longest, so that one is chosen at once, however many there are.

    Whoever connects beyond the limit has one of them closed, and may do so a thousand times a second.
    """

    def __init__(self) -> None:
        self._by_peer: dict[str, dict[_Connection, None]] = {}

    def add(self, connection: _Connection) -> None:
        """One waits from now on."""
        of_peer = self._by_peer.setdefault(connection.peer, {})
        of_peer.pop(connection, None)
        of_peer[connection] = None

    def remove(self, connection: _Connection) -> None:
        """One does not wait any more."""
        of_peer = self._by_peer.get(connection.peer, {})
        if connection in of_peer:
            del of_peer[connection]
            if not of_peer:
                del self._by_peer[connection.peer]

    def longest(self, sizes: Mapping[str, int]) -> _Connection | None:
        """The one that has waited longest, of the peer with the most connections: `sizes` has their numbers."""
        oldest = [(sizes[peer], next(iter(of_peer))) for peer, of_peer in self._by_peer.items()]
        return max(oldest, key=lambda one: (one[0], -(one[1].waiting_since or 0.0)))[1] if oldest else None
