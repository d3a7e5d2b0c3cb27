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
from monitor.web.heads import Head
from monitor.web.reply import Reply

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
        "_line",
        "_size",
        "_visit",
        "door",
        "head",
        "is_whole",
        "keep_alive",
        "response_complete",
    )

    def __init__(self, line: Line, door: Door, head: Head) -> None:
        self._line = line
        self.door = door
        self.head = head
        self._chunks: list[bytes] = []
        self._size = 0
        self.is_whole = False
        self._visit: Visit | None = None
        self.keep_alive = head.keep_alive
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
        self.is_whole = True
        if self._visit is not None and not self.response_complete:
            self._guarded(self._take)

    def lost(self) -> None:
        """The sender hung up."""
        if not self.response_complete:
            self.response_complete = True
            self.door.count(0)
            if self._visit is not None and not self.is_whole:
                self._visit.leave()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # the border: told to whoever runs the daemon, not to whoever asked
            log.error("%s %s failed", self.head.method.decode(), self.door.path, exc_info=error)
            self._answer(_UNFORESEEN)

    def _start(self) -> None:
        admitted = self.door.endpoint.admit(self.head, self._line.peer)
        if isinstance(admitted, Reply):
            self._answer(admitted)
            return
        self._visit = admitted
        size = self._size if self.is_whole else max(self._size, self.head.length)
        if size and (refusal := admitted.grow(size)) is not None:
            self._answer(refusal)
            return
        if self.is_whole:
            self._take()
        elif self.head.expects:
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
        self.door.count(answer.status)
        self.keep_alive = self.keep_alive and not answer.closes
        close = b"" if self.keep_alive or answer.closes else b"connection: close\r\n"
        parts = [_FIRST_LINE[answer.status], self._line.head(), answer.head, self.door.head, close, b"\r\n"]
        if self.head.method != b"HEAD":
            parts.append(answer.body)
        self._line.send(b"".join(parts))
        self._line.answered(closes=not self.keep_alive)
