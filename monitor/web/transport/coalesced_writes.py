"""Writes of one turn of the event loop as one.

uvicorn writes the head and the body of a response separately. Each write is a system call, a packet, and a wake-up of
the peer, and gives the interpreter away to the thread that stores records.
"""

import asyncio
import contextlib
from typing import Any

_AT_ONCE_BYTES = 65_536
"""When so many bytes wait, they are written at once, so that the transport notices a peer that does not read."""


class Flush:
    """The buffers of all connections of one event loop. They are flushed together, at the loop's next turn."""

    def __init__(self) -> None:
        self._waiting: list[CoalescedWrites] = []

    def add(self, buffer: "CoalescedWrites") -> None:
        """Have a buffer flushed."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(buffer)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for buffer in waiting:
            buffer.flush()


class CoalescedWrites(asyncio.Transport):
    """A transport whose writes are joined until `Flush` has its turn. Everything else goes through."""

    def __init__(self, transport: asyncio.Transport, flush: Flush) -> None:
        super().__init__()
        self._transport = transport
        self._flush = flush
        self._parts: list[Any] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the buffer."""
        if not self._parts:
            self._flush.add(self)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _AT_ONCE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is in the buffer. It is dropped if the connection is closed."""
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            with contextlib.suppress(RuntimeError):  # uvloop's, for a closed connection
                self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Close the connection once everything is written."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close it at once; what the system does not take of the buffer is lost."""
        self.flush()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._size + self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()
