"""Reads answers of Redis (RESP2) from what a connection has received, thousands of entries without waiting in between.

The client's own parser waits once for each line.
"""

import asyncio
import re
from typing import Any

_MOST_LINE = 65_536
_MOST_DEPTH = 32
_RECEIVED_AT_ONCE = 65_536
"""Bytes."""
_BULK, _LIST, _NUMBER, _TEXT, _ERROR = b"$*:+-"
_NONE = "it is not a Redis reply"
_COUNTED = (_BULK, _LIST)
_ENTRY = re.compile(
    rb"\*2\r\n\$([0-9]{1,9})\r\n([^\r\n]*)\r\n\*2\r\n\$([0-9]{1,9})\r\n([^\r\n]*)\r\n\$([0-9]{1,9})\r\n"
)
"""An entry of a stream with one field, up to its value: id, name, and the length of each."""


class ProtocolError(ValueError):
    """What was received is no answer of Redis, or is larger than it may be."""


class AnswerReader:
    """One answer after the other. An answer may have `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()
        self._at = 0
        self._needed = 0
        self._size = 0
        self._open: list[tuple[list[Any], int]] = []
        """The lists that are not complete, from the outer to the inner, each with its length."""

    @property
    def has_more(self) -> bool:
        """Whether something was received that no answer has taken."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._buffer += data

    def read(self) -> tuple[Any] | None:
        """The next answer; None if it is not complete. An error of the server is the text in an `Exception`.

        Raises:
            ProtocolError: it is none, or too large.
        """
        if len(self._buffer) < self._needed:
            return None
        self._needed = 0
        try:
            return self._read()
        finally:
            del self._buffer[: self._at]
            self._at = 0

    def _read(self) -> tuple[Any] | None:
        buffer, at = self._buffer, 0
        answer: tuple[Any] | None = None
        while answer is None and (end := buffer.find(b"\r\n", at)) >= 0:
            kind = buffer[at]
            if kind == _LIST and self._open and (after := self._entries(at)) > at:
                at = after
                continue
            length = _number(buffer[at + 1 : end]) if kind in _COUNTED else -1
            if kind == _BULK and length >= 0:
                begin, end = end + 2, end + 2 + length
                if end + 2 > len(buffer):
                    self._limit(self._size + end - at, self._most)
                    self._needed = end + 2 - at
                    break
                answer = self._put(bytes(buffer[begin:end]))
            elif kind == _LIST and length > 0:
                self._limit(length, self._most)
                self._limit(len(self._open), _MOST_DEPTH)
                self._open.append(([], length))
            else:
                answer = self._put(_single(kind, length, bytes(buffer[at + 1 : end])))
            self._size += end + 2 - at
            at = end + 2
        self._at = at
        self._limit(self._size, self._most)
        if answer is not None:
            self._size = 0
        elif not self._needed:
            self._limit(len(buffer) - at, _MOST_LINE)
        return answer

    def _entries(self, at: int) -> int:
        """Add the complete entries with one field from `at` on to the list that they are in; where they end.

        The last one of the list is left: it completes the answer.
        """
        buffer, received = self._buffer, len(self._buffer)
        members, length = self._open[-1]
        begin = at
        for _ in range(length - len(members) - 1):
            entry = _ENTRY.match(buffer, at)
            if entry is None:
                break
            of_id, identifier, of_name, name, of_value = entry.groups()
            start = entry.end()
            end = start + int(of_value)
            if end + 2 > received or len(identifier) != int(of_id) or len(name) != int(of_name):
                break
            members.append([identifier, [name, bytes(buffer[start:end])]])
            at = end + 2
        self._size += at - begin
        return at

    def _put(self, value: Any) -> tuple[Any] | None:
        """Add a value to the list that it is in; the answer, if it is complete with it."""
        while self._open:
            members, length = self._open[-1]
            members.append(value)
            if len(members) < length:
                return None
            value = self._open.pop()[0]
        return (value,)

    def _limit(self, size: int, most: int) -> None:
        if size > most:
            msg = f"the response is larger than {most:,} bytes" if most == self._most else _NONE
            raise ProtocolError(msg)


def _single(kind: int, length: int, line: bytes) -> Any:
    """What stands on one line, or an empty list or nothing."""
    if kind in (_BULK, _LIST):
        return [] if length == 0 else None
    if kind == _NUMBER:
        return _number(line)
    if kind == _TEXT:
        return line
    if kind == _ERROR:
        return Exception(line.decode(errors="replace"))
    raise ProtocolError(_NONE)


def _number(line: bytes | bytearray) -> int:
    try:
        return int(line[:21])
    except ValueError:
        raise ProtocolError(_NONE) from None


class AnswerStream:
    """The answers that come over one connection, each of at most `most` bytes; none without a connection."""

    def __init__(self, received: asyncio.StreamReader | None, most: int) -> None:
        self._received, self._answers = received, AnswerReader(most)

    async def has_more(self) -> bool:
        """Whether something is there already: bytes, or the connection's end."""
        if self._answers.has_more:
            return True
        try:
            async with asyncio.timeout(0):
                await self._receive()
        except TimeoutError:
            return False
        return True

    async def next(self) -> Any:
        """The next answer; an error of the server is the text in an `Exception`.

        Raises:
            EOFError: the connection has ended.
            ProtocolError: it is no answer, or too large.
        """
        while (answer := self._answers.read()) is None:
            if not await self._receive():
                raise EOFError
        return answer[0]

    async def _receive(self) -> bool:
        data = b"" if self._received is None else await self._received.read(_RECEIVED_AT_ONCE)
        self._answers.feed(data)
        return bool(data)


def limited(library: Any, most: int) -> type[Any]:
    """A parser for the client, whose answers have at most `most` bytes. Of the library's private parts, it uses the
    stream of a connection: parsers are given no other.
    """
    base: Any = library.asyncio.connection.BaseParser
    lost: Any = library.exceptions.ConnectionError

    class Limited(base):  # type: ignore[misc]
        def __init__(self, **_options: Any) -> None:
            super().__init__()
            self._stream = AnswerStream(None, most)

        def on_connect(self, connection: Any) -> None:
            """A new connection begins with a new answer."""
            self._stream = AnswerStream(connection._reader, most)

        def on_disconnect(self) -> None:
            """The connection is closed."""
            self._stream = AnswerStream(None, most)

        async def can_read(self) -> bool:
            """Whether something was received without a request, or the connection has ended."""
            return await self._stream.has_more()

        can_read_destructive = can_read  # before version 8 of the client

        async def read_response(self, *_arguments: Any, **_options: Any) -> Any:
            """One answer. Bytes stay bytes."""
            try:
                answer = await self._stream.next()
            except EOFError:
                raise lost("the connection is closed") from None
            if type(answer) is not Exception:
                return answer
            known = self.parse_error(str(answer))
            if isinstance(known, lost):
                raise known
            return known

    return Limited
