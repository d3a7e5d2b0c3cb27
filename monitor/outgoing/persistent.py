"""Connections over HTTP/1.1 that stay open, many of them in one thread: a load test's.

Each call has one deadline and one size limit. Nothing is sent twice, no redirect is followed, and no proxy is used.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httptools

MOST_BYTES = 1 << 20
"""The largest answer in bytes, with its head."""
_KEPT = 4096
"""Bytes of an answer's body that are kept."""
_SECONDS = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended. `failure` is empty if there is a complete answer. `retry_after` is in seconds, 0 if not given.

    `body` is its beginning.
    """

    status: int = 0
    failure: str = ""
    body: bytes = b""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to connect to: an address that was resolved once, so that no name is looked up during a test.

    `host` is the name for TLS.
    """

    address: str
    port: int
    host: str
    tls: ssl.SSLContext | None = None


class PersistentConnection(asyncio.Protocol):
    """One connection with one call at a time. `ask` calls back once, with the answer or the failure."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._transport: asyncio.Transport | None = None
        self._done: Callable[[Answer], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._received, self._retry_after = 0, 0.0
        self._has_head = self._has_length = False

    @property
    def is_open(self) -> bool:
        """Whether it can be used for a call."""
        return self._transport is not None and not self._closed and not self._transport.is_closing()

    def ask(self, request: bytes, deadline: float, done: Callable[[Answer], None]) -> None:
        """Send a request, head and body. `deadline` is a time of the event loop."""
        assert self._transport is not None
        assert self._done is None, "one call at a time"
        self._done = done
        self._begin()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._finish, Answer(failure="timeout"))
        self._transport.write(request)

    def close(self) -> None:
        """Close it at once."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As the parent's."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """As the parent's."""
        self._closed = True
        self._finish(Answer(failure="connection reset" if isinstance(exc, OSError) else "connection closed"))

    def eof_received(self) -> bool:
        """As the parent's: an answer without a length ends here."""
        if self._has_head and not self._has_length:
            self._finish(self._answer())
        return False

    def data_received(self, data: bytes) -> None:
        """As the parent's."""
        if self._done is None:  # nobody asked
            self.close()
            return
        self._received += len(data)
        if self._received > self._most:
            self._finish(Answer(failure=f"answer larger than {self._most:,} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish(Answer(failure="not HTTP"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        name = name.lower()
        self._has_length |= name in (b"content-length", b"transfer-encoding")
        if name == b"retry-after" and _SECONDS.fullmatch(text := value.decode("latin-1")):
            self._retry_after = float(text)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._has_head = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if len(self._body) < _KEPT:
            self._body += body[:_KEPT]

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._has_head:  # else a status of 1xx: the answer is still to come
            self._finish(self._answer(), keep=bool(self._parser.should_keep_alive()))

    def _answer(self) -> Answer:
        return Answer(self._parser.get_status_code(), "", bytes(self._body), self._retry_after)

    def _finish(self, answer: Answer, *, keep: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        done, self._done = self._done, None
        if not keep:
            self.close()
        if done is not None:
            done(answer)


async def connected(peer: Peer, seconds: float) -> PersistentConnection | Answer:
    """A new connection, or why there is none."""
    loop = asyncio.get_running_loop()
    name = peer.host if peer.tls is not None else None
    try:
        async with asyncio.timeout(seconds):
            _, made = await loop.create_connection(
                PersistentConnection, peer.address, peer.port, ssl=peer.tls, server_hostname=name
            )
    except TimeoutError:
        return Answer(failure="no connection in time")
    except ssl.SSLError as error:
        return Answer(failure=f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}")
    except ConnectionRefusedError:
        return Answer(failure="connection refused")
    except OSError as error:
        return Answer(failure=f"no connection: {error.strerror or 'failed'}"[:100])
    return made
