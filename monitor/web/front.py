"""The hot addresses, which are answered before the application sees a request.

Routing, middleware and a task for each request cost more than taking a prediction in does, and the ingest needs none
of it: it asks for keys and keeps to its limits itself (`monitor.web.ingest`), and is neither audited nor shown in a
browser.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol

from monitor.web import security
from monitor.web.heads import Head
from monitor.web.meters import Meters
from monitor.web.reply import Reply, lines


class Visit(Protocol):
    """A request that was let in."""

    def grow(self, size: int) -> Reply | None:
        """`size` bytes of its body are here; the answer if that is too much."""
        ...

    def take(self, body: bytes, answer: Callable[[Reply], None]) -> None:
        """The body is whole. `answer` is called once, later, on the event loop."""
        ...

    def leave(self) -> None:
        """The sender hung up before the body was whole."""
        ...


class Endpoint(Protocol):
    """What answers at a hot address, on the event loop."""

    def admit(self, head: Head, peer: str) -> Visit | Reply:
        """Let a request in, or answer it at once."""
        ...


class Door:
    """A hot address: who answers there, and what every answer carries."""

    def __init__(self, path: str, endpoint: Endpoint, meters: Meters, *, is_secure: bool) -> None:
        self.path = path
        self.endpoint = endpoint
        self.head = lines(
            [
                (name.lower().encode(), value.encode())
                for name, value in security.headers(is_secure=is_secure).items()
            ]
        )
        self._meter = lru_cache(lambda status: meters.requests.labels(handler=path, code=str(status)))

    def count(self, status: int) -> None:
        """A request was answered; 0 where nobody was left to be answered."""
        self._meter(status).inc()


Doors = Mapping[bytes, Door]


def doors(hot: Mapping[str, Endpoint], meters: Meters, *, is_secure: bool = False) -> Doors:
    """The hot addresses by path, with and without a slash at the end."""
    found = {path: Door(path, endpoint, meters, is_secure=is_secure) for path, endpoint in hot.items()}
    return {f"{path}{end}".encode(): door for path, door in found.items() for end in ("", "/")}
