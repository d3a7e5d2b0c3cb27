"""What is written to a connection within one turn of the loop is sent at once.

uvicorn writes the head of an answer and its body one after the other, and uvloop makes a packet of each. For an answer
of thirty bytes the second packet costs both sides as much as the first.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_ENOUGH = 65_536


class Gathering(asyncio.Transport):
    """A transport that holds back up to `_ENOUGH` bytes until the end of the turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[Any] = []
        self._size = 0

    def write(self, data: Any) -> None:
        """Send at the end of this turn; at once where it is much."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size > _ENOUGH:
            self._send()

    def send(self, data: bytes) -> None:
        """Send this at once, with what is held."""
        self._held.append(data)
        self._send()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """The same for several pieces."""
        for data in list_of_data:
            self.write(data)

    def write_eof(self) -> None:
        """Send what is held, and that nothing follows."""
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what is held, then close."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is held is lost, as what the kernel did not send yet is."""
        self._held, self._size = [], 0
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that are not on their way yet."""
        return self._size + self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def can_write_eof(self) -> bool:
        """Whether `write_eof` works."""
        return self._transport.can_write_eof()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """From how many bytes on the protocol is told to wait, and until when."""
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Change that."""
        self._transport.set_write_buffer_limits(high, low)

    def is_reading(self) -> bool:
        """Whether the protocol is given what comes in."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """Give the protocol nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Give it what comes in again."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have what comes in."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that has it."""
        return self._transport.get_protocol()

    def _send(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
