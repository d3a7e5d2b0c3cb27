"""The body of a request, read within limits of size, time and memory."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.errors import BusyError, TooLargeError, TooSlowError
from monitor.web.ingest import compression
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.eager_await import EagerAwait

if TYPE_CHECKING:
    from litestar.types import Receive
    from litestar.types.asgi_types import ReceiveMessage

Headers = Mapping[str, str]
_MAX_UNREAD_BYTES = 65_536
"""If more of a rejected body is still to come, the connection is closed with the response."""
_NO_MEMORY = "not enough memory for this request: other senders are using it"


class DisconnectedError(Exception):
    """The sender disconnected before its body was complete."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The largest body in bytes, and the seconds within which it must arrive."""

    size: int
    seconds: float


def is_unread(headers: Headers) -> bool:
    """Whether much of a body that was not read is still to come."""
    return content_length(headers) > _MAX_UNREAD_BYTES or "transfer-encoding" in headers


def content_length(headers: Headers) -> int:
    """The announced length of a body in bytes; 0 without one."""
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else 0


class IncomingBody:
    """The body of a request. Its memory is reserved as bytes arrive, until `release`."""

    def __init__(self, headers: Headers, sender: str, budget: BodyBudget, limits: BodyLimits) -> None:
        """Expect a body.

        Raises:
            TooLargeError: the announced length exceeds the limit.
        """
        self._limits = limits
        self._encoding = headers.get("content-encoding", "")
        self._timer: asyncio.Timeout | None = None
        if content_length(headers) > limits.size:
            raise self.too_large()
        self._reservation = budget.reserve(sender, self._evict)

    async def read(self, receive: "Receive") -> bytes:
        """The complete body. Its deadline costs nothing if all of it is already here.

        Raises:
            TooLargeError, TooSlowError, BusyError: it exceeds a limit.
            DisconnectedError: the sender is gone.
        """
        first = EagerAwait(receive())
        if first.is_done and not first.result.get("more_body", False):
            body = self._taken(first.result, 0)
        else:
            body = await self._read_in_time(first, receive)
        self._reservation.settle()
        return body

    async def read_decompressed(self, receive: "Receive") -> bytes:
        """The complete body without its Content-Encoding; its limit holds for both.

        Raises:
            InputError: it is damaged, or compressed in another way than gzip.
            TooLargeError, TooSlowError, BusyError: it exceeds a limit.
            DisconnectedError: the sender is gone.
        """
        body = await self.read(receive)
        return await self.decompressed(body) if self._encoding else body

    async def decompressed(self, body: bytes) -> bytes:
        """A body that was read, without its Content-Encoding.

        Raises:
            InputError: it is damaged, or compressed in another way than gzip.
            TooLargeError, BusyError: it exceeds a limit.
        """
        if not self._encoding:
            return body
        left = compression.parts(body, self._encoding, self._limits.size)
        taken, size, is_whole = [], 0, False
        while not is_whole:
            part, is_whole = await asyncio.to_thread(compression.some, left)
            taken.append(part)
            size += len(part)
            self._reservation.grow(size)
        self._reservation.settle()
        return taken[0] if len(taken) == 1 else await asyncio.to_thread(b"".join, taken)

    def release(self) -> None:
        """Release the memory."""
        self._reservation.release()

    def _evict(self) -> None:
        if self._timer is not None:
            self._timer.reschedule(0)

    def too_large(self) -> TooLargeError:
        """The error for a body above the limit."""
        hint = "send fewer records per request"
        return TooLargeError(f"the body is larger than {self._limits.size:,} bytes", hint=hint)

    async def _read_in_time(self, first: "EagerAwait[ReceiveMessage]", receive: "Receive") -> bytes:
        self._timer = asyncio.timeout(self._limits.seconds)
        try:
            async with self._timer:
                return await self._received(first, receive)
        except TimeoutError as error:
            if self._reservation.is_evicted:
                raise BusyError(_NO_MEMORY, retry_after=1, hint="retry in a few seconds") from error
            seconds = self._limits.seconds
            hint = "send fewer records per request"
            raise TooSlowError(f"the request body did not arrive within {seconds:g} s", hint=hint) from error

    async def _received(self, first: "EagerAwait[ReceiveMessage]", receive: "Receive") -> bytes:
        message = await first
        chunks = [self._taken(message, 0)]
        size = len(chunks[0])
        while message.get("more_body", False):
            message = await receive()
            chunks.append(self._taken(message, size))
            size += len(chunks[-1])
        return b"".join(chunks)

    def _taken(self, message: "ReceiveMessage", before: int) -> bytes:
        """The part of the body in a message, which follows `before` bytes. Its memory is reserved."""
        if message["type"] != "http.request":
            raise DisconnectedError
        part = message["body"]
        if part:
            size = before + len(part)
            if size > self._limits.size:
                raise self.too_large()
            self._reservation.grow(size)
        return part
