"""Every open connection: how many there may be, and how long each may keep us waiting.

uvicorn has no limit in time for a head or a body, none for the size of a head, and none for the number of connections
that does not answer 503. These limits are kept here, by a protocol that passes what comes in to uvicorn's own
(unchanged, but for the name of a header that offers another protocol), and by one task that looks at all connections.
It also closes those that are silent after an answer: uvicorn's timer would close one on which a request has come that
a busy loop has not read yet.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitor.web.transport.coalesced_writes import CoalescedWrites, Flush
from monitor.web.transport.early_responses import TOO_LARGE, TOO_SLOW
from monitor.web.transport.fair_turns import Turns
from monitor.web.transport.file_descriptors import descriptors_for_connections
from monitor.web.transport.pipelined_heads import has_few_lines
from monitor.web.transport.request_protocol import RequestProtocol
from monitor.web.transport.tcp_keepalive import enable_keepalive
from monitor.web.transport.waiting_connections import WaitingConnections, WaitingPeer

MAX_HEAD_BYTES = 65_536
"""Bytes of a request line and its headers."""
MOST_HEADERS = 256
"""Headers of a request."""
_MOST_AHEAD = 1_048_576
"""Bytes that may come in while a request is open and does not read them."""
_PART = 4096
"""Bytes that are parsed at once: two hundred of the smallest requests. More are if they belong to one body, or have few
lines."""
_MOST_PIPELINED = 16
"""Requests that may wait for the one before them; bytes of further ones wait unparsed."""
_SENDS_WITHIN, _SENDS_AT_LEAST = 30.0, 65_536
"""A peer that reads an answer takes at least so many bytes in so many seconds."""
_CHECK_EVERY = 0.5
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_NO_OFFER = b"\r\nignored:"
"""The same header under a name that means nothing, and is as long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there may be, and the seconds that a head (or the silence before it) may take."""

    connections: int = 1000
    head_within: float = 10.0


class Connection(asyncio.Protocol):
    """One connection: passes everything to uvicorn's protocol, and knows for what it waits since when.

    Where the first head offers to go on in another protocol, as Java's client does with HTTP/2, the header is passed on
    under another name, since httptools drops the body of such a request. The answer is then the last of its connection:
    where the next head begins is known to the parser alone.
    """

    def __init__(self, connections: "Connections", options: dict[str, Any]) -> None:
        self._connections = connections
        self._options = options
        self._transport: CoalescedWrites
        self._inner: RequestProtocol | None = None
        self._head = b""
        self._arrived = b""
        self._held = b""
        self._unread = 0
        self._of_body = 0
        self._unsent, self._unsent_since = 0, 0.0
        self.peer = ""
        self.ends: tuple[tuple[str, int], tuple[str, int]] | None = None
        """Address and port of the peer, and of this end."""
        self.is_of_same_user: bool | None = None
        """Whether a program of the daemon's user may hold the other end; None until it is asked for."""
        self.is_for_one_request = False
        """Whether its first request offers another protocol: the answer to it is the last."""
        self.is_open = False
        """Whether a request is with the application."""
        self.waiting_since: float | None = None
        """Since when it waits for bytes of a request; None while the application works on one."""
        self.handshake: WaitingPeer | None = None
        """Its TLS handshake, which counts in its place until it is finished."""
        self._was_abandoned = False
        self._is_last = False
        self.is_lost = False
        """Whether nobody is at its other end any more."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected."""
        self._transport = CoalescedWrites(transport, self._connections.flush)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        own = transport.get_extra_info("sockname")
        self.ends = ((peer[0], peer[1]), (own[0], own[1])) if peer and own else None
        self.waiting_since = self._connections.now()
        enable_keepalive(transport)
        if self.handshake is not None:
            self._connections.remove(self.handshake)
            self.handshake = None
        if not self._connections.add(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came in. They are looked at in a turn of their address, and nothing more is read until then."""
        if self._arrived:
            self._arrived += data
            self._transport.pause_reading()
        elif self._connections.turns.take(self.peer):
            self._receive(data)
        else:
            self._arrived = data
            self._transport.pause_reading()
            self._connections.turns.wait(self.peer, self._receive_arrived)

    def _receive_arrived(self) -> None:
        data, self._arrived = self._arrived, b""
        if self.is_lost or not data:
            return
        self._receive(data)
        is_paused = self._held or (self._inner is not None and self._inner.flow.read_paused)
        if not is_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _receive(self, data: bytes) -> None:
        if self._is_last:
            self._unread += len(data)
            if self._unread > _MOST_AHEAD:
                self._transport.abort()
            return
        if self._held:
            self._held += data
            self._transport.pause_reading()
            return
        if self._inner is None:
            self._head += data
            if len(self._head) <= MAX_HEAD_BYTES and self._is_beginning():
                return
            data, self._head = self._begin(self._head), b""
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse bytes in parts, and hold back the rest where many requests wait for the one before them."""
        if len(data) > self._of_body > 0:
            body, data = data[: self._of_body], data[self._of_body :]
            self._parse(body)
            if self._transport.is_closing():
                return
        if len(data) <= max(_PART, self._of_body) or has_few_lines(data):
            self._parse(data)
            return
        for end in range(_PART, len(data) + _PART, _PART):
            self._parse(data[end - _PART : end])
            if self._transport.is_closing():
                return
            if self._pipelined() >= _MOST_PIPELINED and end < len(data):
                self._held = data[end:]
                self._transport.pause_reading()
                return

    def _go_on(self) -> None:
        """Parse what was held back, once few requests wait."""
        if self._inner is None or self.is_lost or not self._held or self._pipelined() > _MOST_PIPELINED // 2:
            return
        data, self._held = self._held, b""
        self._feed(data)
        if not self._held and not self._transport.is_closing() and not self._inner.flow.read_paused:
            self._transport.resume_reading()

    def _pipelined(self) -> int:
        """Requests that are parsed and wait for the one before them."""
        return 0 if self._inner is None else len(self._inner.pipeline)

    def _parse(self, data: bytes) -> None:
        assert self._inner is not None
        self._unread += len(data)
        self._of_body = max(0, self._of_body - len(data))
        if self.is_open and self._unread > _MOST_AHEAD:
            self._transport.abort()
            return
        try:
            self._inner.data_received(data)
        except Exception:  # whatever is wrong with these bytes, it is this connection's fault alone
            self._connections.log_broken()
            self._transport.abort()
        if self._unread > MAX_HEAD_BYTES and not self.is_open:
            # A request whose head is whole is with the application before this is called.
            self._connections.call_soon(self._check_head)

    def eof_received(self) -> None:
        """The peer sends no more."""
        self._receive_arrived()
        if self._inner is not None:
            self._inner.eof_received()

    def connection_lost(self, _error: Exception | None) -> None:
        """It is closed."""
        self.is_lost = True
        self._connections.remove(self)
        if self._inner is not None:
            # Without the error, with which uvicorn keeps its timer, and so the connection.
            self._inner.connection_lost(None)

    def pause_writing(self) -> None:
        """The peer does not read fast enough."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        if self._inner is not None:
            self._inner.resume_writing()

    def open(self, *, has_body: bool) -> None:
        """A request came to the application, all of it or without its body."""
        self.is_open, self._unread = True, 0
        if has_body:
            self._wait_for_peer()
        else:
            self._wait_no_more()

    def read(self, *, is_whole: bool, left: int = 0) -> None:
        """The application has read what came of the body; the next `left` bytes belong to it as well."""
        self._unread, self._of_body = 0, left
        if is_whole:
            self._wait_no_more()

    def close(self, *, is_whole: bool) -> None:
        """The request was answered, maybe before its body was whole."""
        self.is_open, self._unread, self._of_body, self._was_abandoned = False, 0, 0, not is_whole
        self._wait_for_peer()
        if self._held:
            self._connections.call_soon(self._go_on)

    def drop_further(self) -> None:
        """The answer that begins is the last: what comes in is read and dropped, so that the peer's end is seen."""
        self._is_last, self._held, self._unread = True, b"", 0
        if self._inner is not None and not self._transport.is_closing():
            self._inner.flow.resume_reading()
            self._transport.resume_reading()

    def close_early(self, answer: bytes = b"") -> None:
        """Close it; `answer` is sent before where no request is open."""
        if answer and not self.is_open and not self._was_abandoned:
            self._transport.write(answer)
            self._transport.close()
        else:
            self._transport.abort()

    def check_deadlines(self, now: float, head_within: float) -> None:
        """Close it where the peer takes too long to send a head, or to read an answer."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent <= self._unsent - _SENDS_AT_LEAST or not self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > _SENDS_WITHIN:
            self._transport.abort()
            return
        is_late = self.waiting_since is not None and now - self.waiting_since > head_within
        if (
            is_late
            and not self._arrived
            and not self.is_open
            and not unsent
            and not self._transport.is_closing()
        ):
            self.close_early(TOO_SLOW if self._head or self._unread else b"")

    def _wait_for_peer(self) -> None:
        self.waiting_since = self._connections.now()
        self._connections.note_waiting(self)

    def _wait_no_more(self) -> None:
        self.waiting_since = None
        self._connections.note_waiting(self)

    def _is_beginning(self) -> bool:
        """Whether what came may be the beginning of a head."""
        return self._head[:1].isalpha() and not _END_OF_HEAD.search(self._head)

    def _begin(self, data: bytes) -> bytes:
        """Have uvicorn's protocol begin; returns what it is to be given first."""
        end = _END_OF_HEAD.search(data)
        head = data[: end.end()] if end is not None else b""
        accepted, offers = _OFFER.subn(_NO_OFFER, head)
        self.is_for_one_request = offers > 0
        state = {**self._options["app_state"], "connection": self}
        self._inner = RequestProtocol(**{**self._options, "app_state": state})
        self._inner.connection_made(self._transport)
        return accepted + data[len(head) :] if offers else data

    def _check_head(self) -> None:
        if self._unread > MAX_HEAD_BYTES and not self.is_open and not self._transport.is_closing():
            self.close_early(TOO_LARGE)


class Connections:
    """All of them, on one event loop."""

    def __init__(
        self,
        limits: Limits,
        on_broken: Callable[[], None],
        is_proxy: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        """Connections of addresses that are proxies, of many senders, do not take turns, only their requests do."""
        self._limits = limits
        self._most = min(limits.connections, descriptors_for_connections())
        self._open: dict[WaitingPeer, None] = {}
        self._by_peer: Counter[str] = Counter()
        self._waiting = WaitingConnections[WaitingPeer]()
        self.flush = Flush()
        self.turns = Turns(is_proxy)
        """The event loop's turns, shared by the addresses that connect."""
        self.log_broken = on_broken

    def __call__(self, **options: Any) -> Connection:
        """A protocol for a new connection: what uvicorn's `http` expects. `options` are for uvicorn's own protocol."""
        return Connection(self, options)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._open)

    def now(self) -> float:
        """Seconds of monotonic time."""
        return time.monotonic()

    def call_soon(self, call: Callable[[], None]) -> None:
        """Call it in the loop's next turn."""
        asyncio.get_running_loop().call_soon(call)

    def add(self, connection: WaitingPeer) -> bool:
        """Take a new one in; where there are too many, whoever has the most loses the one that waited longest."""
        if len(self._open) >= self._most and not self._make_room(connection.peer):
            return False
        self._open[connection] = None
        self._by_peer[connection.peer] += 1
        self.note_waiting(connection)
        return True

    def remove(self, connection: WaitingPeer) -> None:
        """One is closed."""
        self._waiting.remove(connection)
        if self._open.pop(connection, connection) is None:
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def note_waiting(self, connection: WaitingPeer) -> None:
        """One waits for its peer from now on, or does not any more."""
        if connection.waiting_since is None or connection not in self._open:
            self._waiting.remove(connection)
        else:
            self._waiting.add(connection)

    async def watch(self) -> None:
        """Check all connections periodically."""
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            # uvloop runs timers before it reads. After a pause of ours, let it read what came and begin with it. A
            # pause that begins only now does not count: what came in it is read after the check.
            now = self.now()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for connection in list(self._open):
                connection.check_deadlines(now, self._limits.head_within)

    def close_waiting(self) -> None:
        """Close those that no request is open on."""
        for connection in list(self._open):
            if not connection.is_open:
                connection.close_early()

    async def end(self) -> None:
        """Close all, at once."""
        for connection in list(self._open):
            connection.close_early()
        while self._open:
            await asyncio.sleep(0)

    def _make_room(self, peer: str) -> bool:
        """Close one that waits for its peer; False where none does, or only peers with fewer than `peer` would have."""
        victim = self._waiting.longest(self._by_peer)
        if victim is None:
            return False
        if self._by_peer[victim.peer] < self._by_peer[peer] + 1 and victim.peer != peer:
            return False
        self.remove(victim)
        victim.close_early()
        return True
