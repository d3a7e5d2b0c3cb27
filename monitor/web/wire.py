"""HTTP/1.1 for uvicorn, with two differences: the hot addresses are answered here, and answers leave in one packet.

A request at a hot address becomes an `Exchange`; all others become what uvicorn makes of them. Parsing, keep-alive, the
order of pipelined requests, time limits and the end of the server are uvicorn's for both. A request to a hot address
whose head came before on this connection is not even parsed (`monitor.web.heads`).
"""

import asyncio
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from monitor.web.exchange import Exchange
from monitor.web.front import Door, Doors
from monitor.web.heads import Head, Known
from monitor.web.reply import Headers, lines
from monitor.web.sending import Gathering

_PATIENCE = 8
"""So many heads in a row are taken note of although none comes again: each may have a number of its own."""


class Wire(HttpToolsProtocol):
    """A connection."""

    def __init__(self, doors: Doors, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._doors = doors
        self._out: Gathering
        self._offered: bytes | None = None
        self._known: tuple[Known, Door] | None = None  # only while the parser is between two requests
        self._patience = _PATIENCE
        self._begun = 0
        self.peer = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Answer through a `Gathering`."""
        self._out = Gathering(transport, self.loop)
        super().connection_made(self._out)
        self.peer = self.client[0] if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever asked is gone."""
        if isinstance(self.cycle, Exchange):
            self.cycle.lost()
            self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self._unset_keepalive_if_required()
        known, self._known = self._known, None
        body = None if known is None else known[0].body(data)
        if known is None or body is None:
            self._begun = 0
            self._parse(data)
            return
        self._known, self._patience = known, _PATIENCE
        exchange = Exchange(self, known[1], known[0].head)
        exchange.add(body)
        exchange.complete()
        self._queue(exchange)

    def _parse(self, data: bytes) -> None:
        """Where a request offers to go on in another protocol (Java's client does), it is read as if it did not: the
        parser would take its body for that protocol.
        """
        while data:
            try:
                self.parser.feed_data(data)
                self._remember(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if self._offered is None:
                    self._unsupported_upgrade_warning()
                    return
                data, self._offered = self._offered + data[upgrade.args[0] :], None
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self._begun = 2  # none to be remembered: this is not what came in
            except httptools.HttpParserError:
                self.logger.warning("Invalid HTTP request received.")
                self.send_400_response("Invalid HTTP request received.")
                return

    def _remember(self, data: bytes) -> None:
        """Take note of the head of a request if it and its body are all that came in."""
        exchange = self.cycle
        if self._begun == 1 and self._patience and isinstance(exchange, Exchange) and exchange.is_whole:
            self._patience -= 1
            known = Known.of(exchange.head, data)
            self._known = None if known is None else (known, exchange.door)

    def on_message_begin(self) -> None:
        """A request begins. What ASGI wants to know of it is put together later, where it is asked for."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._begun += 1

    def on_headers_complete(self) -> None:
        """The head is here: to a hot address, or to the application."""
        door = self._doors.get(self.url) or self._doors.get(_path(self.url))
        if door is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.headers, self.expect_100_continue = url, headers, expects
            self.scope["headers"] = headers
            super().on_headers_complete()
        elif self.parser.should_upgrade():
            self._offered = _without_offer(self.parser.get_method(), self.url, self.headers)
        else:
            self._open(door)

    def on_body(self, body: bytes) -> None:
        """A part of the body came in."""
        if isinstance(self.cycle, Exchange):
            self.cycle.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._offered is not None:
            return
        if isinstance(self.cycle, Exchange):
            self.cycle.complete()
        else:
            super().on_message_complete()

    def head(self) -> bytes:
        """The lines that stand in every answer of the server."""
        return b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])

    def send(self, data: bytes) -> None:
        """Send, unless it is closed."""
        self._out.send(data)

    def answered(self, *, closes: bool) -> None:
        """An answer was sent: go on with the next request, or close."""
        if closes:
            self.transport.close()
        self.on_response_complete()

    def _open(self, door: Door) -> None:
        parser = self.parser
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        head = Head(
            parser.get_method(), self.headers, keep_alive=keep_alive, expects=self.expect_100_continue
        )
        self._queue(Exchange(self, door, head))

    def _queue(self, exchange: Exchange) -> None:
        before = self.cycle
        self.cycle = exchange  # type: ignore[assignment]
        if before is None or before.response_complete:
            exchange.start()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """The next request's turn."""
        if isinstance(cycle, Exchange):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)


def _path(url: bytes) -> bytes:
    """The path of a request's target, without what may stand around it."""
    path = httptools.parse_url(url).path or b""
    return unquote_to_bytes(path) if b"%" in path else path


def _without_offer(method: bytes, url: bytes, headers: Headers) -> bytes:
    """The head of a request without the offer to go on in another protocol."""
    kept = [header for header in headers if header[0] not in (b"upgrade", b"connection", b"http2-settings")]
    said = b",".join(value for name, value in headers if name == b"connection").split(b",")
    options = [one.strip() for one in said if one.strip().lower() not in (b"upgrade", b"http2-settings", b"")]
    if options:
        kept.append((b"connection", b", ".join(options)))
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, url, lines(kept))
