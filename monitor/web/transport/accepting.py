"""Accepts connections: all that wait in the system's queue at once, and then those of each address in turns.

The system has one queue for all. An event loop that makes a protocol for each connection in the order of that queue has
whoever comes last wait behind the thousand that another opened. To take a connection from the queue costs a fiftieth of
what it costs to begin with it.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from monitor.web.transport.fair_turns import Turns
from monitor.web.transport.file_descriptors import descriptors_for_waiting

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Connections that are taken from the system's queue in one turn of the event loop."""
_RETRY_AFTER = 0.2
"""Seconds until connections are accepted again after the system had no descriptor or memory for one."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class JoinedServers:
    """The sockets that listen, in place of the loop's server. `sockets` has each address once."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: asyncio.Server,
        protocol: Callable[[], asyncio.BaseProtocol],
        turns: Turns,
    ) -> None:
        self.sockets: Sequence[Any] = bound.sockets
        self._loop, self._bound, self._protocol, self._turns = loop, bound, protocol, turns
        self._listening = [socket.socket(fileno=os.dup(one.fileno())) for one in bound.sockets]
        self._waiting: dict[str, deque[socket.socket]] = {}
        self._count = 0
        self._beginning: set[asyncio.Task[Any]] = set()
        self._most_waiting = descriptors_for_waiting()
        self._at_once = min(_AT_ONCE, self._most_waiting)

    def listen(self, backlog: int) -> None:
        """Accept from now on."""
        for listening in self._listening:
            listening.setblocking(False)
            listening.listen(backlog)
            self._resume(listening)

    def close(self) -> None:
        """Accept no more, and close what waits for its turn."""
        for listening in self._listening:
            if listening.fileno() >= 0:
                self._loop.remove_reader(listening)
                listening.close()
        while self._waiting:
            self._longest(next(iter(self._waiting))).close()
        self._bound.close()

    async def wait_closed(self) -> None:
        """Wait until all are closed."""
        await self._bound.wait_closed()

    def _resume(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(self._at_once):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    log.error("no connection can be accepted: %s", error)
                    self._loop.remove_reader(listening)
                    self._loop.call_later(_RETRY_AFTER, self._resume, listening)
                    return
                continue  # the peer is gone
            self._take(connection, str(address[0]) if address else "")

    def _take(self, connection: socket.socket, peer: str) -> None:
        """Begin with a connection, or have it wait. Where too many wait, the one that waited longest is closed."""
        if self._turns.take(peer):
            self._begin(connection)
            return
        self._waiting.setdefault(peer, deque()).append(connection)
        self._count += 1
        self._turns.wait(peer, partial(self._begin_next, peer))
        if len(self._waiting[peer]) > self._most_waiting:
            self._longest(peer).close()
        elif self._count > 2 * self._most_waiting:
            self._longest(max(self._waiting, key=lambda one: len(self._waiting[one]))).close()

    def _longest(self, peer: str) -> socket.socket:
        """Remove the one of a peer that waited longest."""
        waiting = self._waiting[peer]
        connection = waiting.popleft()
        self._count -= 1
        if not waiting:
            del self._waiting[peer]
        return connection

    def _begin_next(self, peer: str) -> None:
        if peer in self._waiting:
            self._begin(self._longest(peer))

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._begun(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begun(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except Exception as error:  # boundary: one connection must not stop the others
            if not isinstance(error, OSError):  # else the peer is gone
                log.exception("a connection could not be begun with")
            with contextlib.suppress(OSError):
                connection.close()


def accept_in_turns(loop: asyncio.AbstractEventLoop, turns: Turns) -> None:
    """Have the servers of a loop begin with the connections of each address in turns."""
    create = loop.create_server

    async def create_server(
        protocol: Callable[[], asyncio.BaseProtocol], *where: Any, backlog: int = 100, **options: Any
    ) -> JoinedServers:
        bound = await create(protocol, *where, **options, start_serving=False)
        listeners = JoinedServers(loop, bound, protocol, turns)
        listeners.listen(backlog)
        return listeners

    loop.create_server = create_server  # type: ignore[method-assign, assignment]
