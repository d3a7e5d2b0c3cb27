"""TLS: renewed files are loaded without a restart, mismatching ones are not; a handshake counts as a connection."""

import asyncio
import importlib
import logging
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from monitor.web.connections import Connection, Connections

log = logging.getLogger(__name__)

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy that authenticate what they encrypt. TLS 1.3 has no others."""


class Certificate:
    """A certificate with its key, as files that another program renews."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._files = (certificate, private_key)
        self._loaded = self._modification_times()

    def renew(self, context: ssl.SSLContext) -> bool:
        """Load the files into a running server's context if they changed. Returns whether they were loaded.

        Renewing programs write one file after the other, so a mismatching pair is checked again at the next call.
        """
        modified = self._modification_times()
        if modified == self._loaded:
            return False
        try:
            # Tried separately first: a context with half a pair could not serve any connection.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            log.warning("the renewed certificate %s cannot be used yet: %s", self._files[0], error)
            return False
        self._loaded = modified
        log.info("the renewed certificate %s is in use", self._files[0])
        return True

    def _modification_times(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._files)
        except OSError:
            return ()


class Handshakes:
    """TLS on a loop's servers, as the loop would do it, but a handshake counts as a connection from its first moment:
    whoever never finishes one holds a descriptor and memory, too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Connections, within: float) -> None:
        self._loop, self._connections, self._within = loop, connections, within
        self._create_server = loop.create_server
        # uvloop's own is several times as fast on its transports.
        is_uvloop = type(loop).__module__.partition(".")[0] == "uvloop"
        self._kind = importlib.import_module("uvloop.loop" if is_uvloop else "asyncio.sslproto").SSLProtocol

    async def create_server(
        self, factory: Callable[[], Connection], *where: Any, **options: Any
    ) -> asyncio.Server:
        """As that of the loop."""
        context: ssl.SSLContext = options.pop("ssl")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        return await self._create_server(partial(self._begin, factory, context), *where, **options)

    def _begin(self, factory: Callable[[], Connection], context: ssl.SSLContext) -> "Handshake":
        connection = factory()
        tls = self._kind(
            self._loop, connection, context, None, server_side=True, ssl_handshake_timeout=self._within
        )
        connection.handshake = Handshake(self._connections, connection, tls)
        return connection.handshake


class Handshake(asyncio.Protocol):
    """One handshake: passes what comes in to the loop's SSLProtocol, in turns of its address, and leaves the transport
    to it once it is finished.

    A handshake costs a signature, and whoever has opened a thousand connections may have as many begin at once.
    """

    is_open = False

    def __init__(self, connections: Connections, above: Connection, tls: Any) -> None:
        self._connections, self._above, self._tls = connections, above, tls
        self._raw: asyncio.Transport
        self._arrived = b""
        self._is_lost = False
        self.peer = ""
        self.waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected."""
        peer = transport.get_extra_info("peername")
        self._raw, self.peer = transport, str(peer[0]) if peer else ""
        self.waiting_since = self._connections.now()
        self._tls.connection_made(transport)
        if not self._connections.add(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came in. Nothing more is read until they were looked at."""
        self._arrived += data
        self._raw.pause_reading()
        if self._connections.turns.take(self.peer):
            self._pass_on()
        else:
            self._connections.turns.wait(self.peer, self._pass_on)

    def _pass_on(self) -> None:
        while self._arrived and not self._is_lost and not self._raw.is_closing():
            free = self._tls.get_buffer(len(self._arrived))
            part, self._arrived = self._arrived[: len(free)], self._arrived[len(free) :]
            free[: len(part)] = part
            self._tls.buffer_updated(len(part))
        if self._is_lost or self._raw.is_closing():
            return
        if self._above.handshake is None:  # it is finished
            self._raw.set_protocol(self._tls)
        self._raw.resume_reading()

    def eof_received(self) -> bool | None:
        """The peer sends nothing more."""
        ended: bool | None = self._tls.eof_received()
        return ended

    def pause_writing(self) -> None:
        """The peer does not read fast enough."""
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._tls.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed, before its handshake was finished."""
        self._is_lost = True
        self._connections.remove(self)
        self._tls.connection_lost(error)

    def check_deadlines(self, now: float, head_within: float) -> None:
        """The loop's SSLProtocol has the deadline."""

    def close_early(self, _answer: bytes = b"") -> None:
        """Close it."""
        self._raw.abort()
