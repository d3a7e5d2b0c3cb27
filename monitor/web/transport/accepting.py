"""Accepts connections in bulk.

uvloop accepts one connection in each turn of the event loop. While turns are long, whoever opens many connections has
everybody else's wait behind them, for seconds: the queue of the system is one for all. A turn accepts one from each
listening socket, so the same socket listens several times.
"""

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Sequence
from typing import Any

AT_ONCE = 32
"""Connections that one turn accepts."""
_DESCRIPTORS_EACH = 256
"""Of so many descriptors of the process, one may listen."""


class Listeners:
    """Several servers that listen on the same addresses, as one. `sockets` has each address once."""

    def __init__(self, servers: Sequence[asyncio.Server]) -> None:
        self._servers = servers
        self.sockets = servers[0].sockets

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        """Wait until all are closed."""
        for server in self._servers:
            await server.wait_closed()


def accept_in_bulk(loop: asyncio.AbstractEventLoop, at_once: int | None = None) -> None:
    """Have the servers of a loop accept `at_once` connections in a turn; None: as many as the process's descriptors
    allow.
    """
    create = loop.create_server

    async def create_servers(protocol: Callable[[], asyncio.BaseProtocol], **options: Any) -> Listeners:
        first = await create(protocol, **options)
        servers = [first]
        again = {name: value for name, value in options.items() if name not in ("host", "port", "sock")}
        for listening in first.sockets:
            for _ in range((at_once or _at_once()) - 1):
                same = socket.socket(fileno=os.dup(listening.fileno()))
                servers.append(await create(protocol, sock=same, **again))
        return Listeners(servers)

    loop.create_server = create_servers  # type: ignore[method-assign, assignment]


def _at_once() -> int:
    """How many times an address is listened on, in a process with few descriptors as well."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return AT_ONCE if soft == resource.RLIM_INFINITY else max(1, min(AT_ONCE, soft // _DESCRIPTORS_EACH))
