"""One request at a hot address and its answer, without the messages of ASGI and without a task.

It stands where uvicorn's protocol has its cycle, and has of it what the protocol asks for: whether the answer is
complete, and whether the connection lives on after it.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from monitor.web import reply
from monitor.web.front import Door, Visit
from monitor.web.reply import Headers, Reply

log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNFORESEEN = reply.of_json(
    500, b'{"error":"something went wrong here","hint":"it has been written to the daemon\'s log"}'
)
_FIRST_LINE = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}


class Line(Protocol):
    """The connection, as an exchange sees it."""

    @property
    def peer(self) -> str:
        """The address at its other end."""
        ...

    def head(self) -> bytes:
        """The lines that stand in every answer of the server."""
        ...

    def send(self, data: bytes) -> None:
        """Send, unless it is closed."""
        ...

    def answered(self, *, closes: bool) -> None:
        """An answer was sent: go on with the next request, or close."""
        ...


class Exchange:
    """A request, from its head to its answer.

    Requests that come before the one in front of them was answered gather their bodies, and wait for their turn.
    """

    __slots__ = (
        "_chunks",
        "_door",
        "_expects",
        "_headers",
        "_is_whole",
        "_line",
        "_method",
        "_size",
        "_visit",
        "keep_alive",
        "response_complete",
    )

    def __init__(
        self, line: Line, door: Door, method: bytes, headers: Headers, *, keep_alive: bool, expects: bool
    ) -> None:
        self._line = line
        self._door = door
        self._method = method
        self._headers = headers
        self._expects = expects
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_whole = False
        self._visit: Visit | None = None
        self.keep_alive = keep_alive
        self.response_complete = False

    def start(self) -> None:
        """It is its turn."""
        self._guarded(self._start)

    def add(self, chunk: bytes) -> None:
        """A part of the body came in."""
        if not self.response_complete:
            self._chunks.append(chunk)
            self._size += len(chunk)
            if self._visit is not None:
                self._guarded(self._grow)

    def complete(self) -> None:
        """The body is whole."""
        self._is_whole = True
        if self._visit is not None and not self.response_complete:
            self._guarded(self._take)

    def lost(self) -> None:
        """The sender hung up."""
        if not self.response_complete:
            self.response_complete = True
            self._door.count(0)
            if self._visit is not None and not self._is_whole:
                self._visit.leave()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # the border: told to whoever runs the daemon, not to whoever asked
            log.error("%s %s failed", self._method.decode(), self._door.path, exc_info=error)
            self._answer(_UNFORESEEN)

    def _start(self) -> None:
        admitted = self._door.endpoint.admit(self._method, self._headers, self._line.peer)
        if isinstance(admitted, Reply):
            self._answer(admitted)
            return
        self._visit = admitted
        if self._size:
            self._grow()
        if self.response_complete:
            return
        if self._is_whole:
            self._take()
        elif self._expects:
            self._line.send(_CONTINUE)

    def _grow(self) -> None:
        assert self._visit is not None
        refusal = self._visit.grow(self._size)
        if refusal is not None:
            self._answer(refusal)

    def _take(self) -> None:
        assert self._visit is not None
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._visit.take(body, self._answer)

    def _answer(self, answer: Reply) -> None:
        if self.response_complete:
            return
        self.response_complete = True
        self._chunks = []
        self._door.count(answer.status)
        self.keep_alive = self.keep_alive and not answer.closes
        close = b"" if self.keep_alive or answer.closes else b"connection: close\r\n"
        parts = [_FIRST_LINE[answer.status], self._line.head(), answer.head, self._door.head, close, b"\r\n"]
        if self._method != b"HEAD":
            parts.append(answer.body)
        self._line.send(b"".join(parts))
        self._line.answered(closes=not self.keep_alive)
