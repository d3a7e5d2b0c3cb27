"""NATS' client with limits: a server that sends without end is given up before what it sends fills the memory."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from monitor.sources.brokers.nats_pull import Pulled, SubscriptionInbox

MOST_BYTES = 256_000_000
"""Bytes that a server may send during one call."""
_MOST_LINE = 65_536
"""Bytes of a line of the protocol."""
_MOST_PAYLOADS = 128_000_000
"""Bytes of the messages that are asked for at once, if each is as large as the server permits."""
_AT_ONCE = 100

T = TypeVar("T")


def batch(largest: int) -> int:
    """How many messages of up to `largest` bytes to ask for at once, where nothing else limits their bytes."""
    return max(1, min(_AT_ONCE, _MOST_PAYLOADS // max(1, largest)))


def limited(library: Any) -> Any:
    """A client of the library. What it does is to be awaited through its `within`, which keeps the limits."""
    parser: Any = _limited_parser(library)
    base: Any = _with_inbox(library)

    class Client(base):  # type: ignore[misc]
        """One connection."""

        def __init__(self) -> None:
            super().__init__()
            self._ps = parser(self)

        async def within(self, coroutine: Coroutine[Any, Any, T]) -> T:
            """The result of a coroutine, which takes at most `MOST_BYTES` bytes.

            Raises:
                Error: the server has sent more, or what is not NATS' protocol.
            """
            task = asyncio.current_task()
            assert task is not None
            self._ps.room, self._ps.caller = MOST_BYTES, task
            try:
                return await coroutine
            except BaseException as error:
                if not self._ps.problem:
                    raise
                task.uncancel()
                raise library.errors.Error(self._ps.problem) from error
            finally:
                self._ps.caller = None

    return Client()


def _with_inbox(library: Any) -> Any:
    base: Any = library.aio.client.Client

    class WithInbox(base):  # type: ignore[misc]
        """One connection. What comes to its `inbox` bypasses the queues of the client."""

        def __init__(self) -> None:
            super().__init__()
            self.inbox = SubscriptionInbox()

        async def _process_msg(
            self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
        ) -> None:
            """A message from the parser."""
            if sid == self.inbox.number:
                self.inbox.put(Pulled(bytes(reply), data, headers or b""))
            else:
                await super()._process_msg(sid, subject, reply, data, headers)

        async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
            """What the server says of itself, without the addresses of others: a source knows those of its section."""
            known = {name: value for name, value in info.items() if name != "connect_urls"}
            await super()._process_info(known, initial_connection)

    return WithInbox


def _limited_parser(library: Any) -> Any:
    protocol: Any = library.protocol.parser
    base: Any = protocol.Parser

    class Limited(base):  # type: ignore[misc]
        """What it cannot take ends the connection, and the call that waits."""

        room = MOST_BYTES
        problem = ""
        caller: asyncio.Task[Any] | None = None

        async def parse(self, data: bytes = b"") -> None:
            """A part of at most 32 kB."""
            self.room -= len(data)
            try:
                if self.state == protocol.AWAITING_MSG_PAYLOAD:  # only the rest of this message
                    missing = self.needed + 2 - len(self.buf)
                    await super().parse(data[:missing])
                    data = data[missing:]
                self.buf += data
                self.nc.inbox.take(self.buf)
                await super().parse()
            except Exception as error:  # the client would read no further, and wait
                self._refuse(str(error) or "the answer is not in NATS' protocol")
            is_line = self.state == protocol.AWAITING_CONTROL_LINE
            if is_line and len(self.buf) > _MOST_LINE:
                self._refuse(f"a line has more than {_MOST_LINE:,} bytes")
            expected = 0 if is_line else self.needed - len(self.buf)
            if expected > self.room or self.room < 0:
                self._refuse(f"an answer has more than {MOST_BYTES:,} bytes")

        def _refuse(self, problem: str) -> None:
            self.problem = problem
            if self.caller is not None:
                self.caller.cancel()
            raise library.errors.ProtocolError

    return Limited
