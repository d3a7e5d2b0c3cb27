"""Pulls the messages of a JetStream consumer, thousands at a time.

NATS' client makes an object of each message and passes it through a queue. This takes messages out of what the
connection has read, and acknowledges all of them in one write.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from monitor.sources.source import SourceError

_MOST_BYTES = 8_000_000
"""Bytes of the messages that are asked for at once."""
_ANSWER_SECONDS = 2.0
"""Seconds within which the server says that it has no more."""
_LEAST_VERSION = (2, 9)
"""The version of the server from which on it keeps to a limit in bytes."""
_FEW = 100
_VERBS = {5: b"MSG", 6: b"HMSG"}
_ACK = b"$JS.ACK."
_HEARTBEAT, _NONE, _TIMEOUT = b"100", b"404", b"408"
_HARMLESS = (b"MaxBytes", b"Batch Completed")
_LIMIT = re.compile(rb"(?:MaxRequestBatch|MaxBatch) of (\d+)")


class Pulled(NamedTuple):
    """A message as the connection has read it: where to acknowledge it, its content, and its headers with a status."""

    reply: bytes
    body: bytes
    head: bytes

    @property
    def status(self) -> bytes:
        """What the server says in place of a message, such as `404 No Messages`; empty for a message."""
        return (
            b"" if self.reply.startswith(_ACK) else self.head[:200].partition(b"\r\n")[0].partition(b" ")[2]
        )

    @property
    def place(self) -> tuple[int, float]:
        """The sequence in the stream, and when the stream got it, in seconds since the epoch."""
        tokens = self.reply.split(b".")
        sequence, moment = (
            (5, 7) if len(tokens) == 9 else (7, 9)
        )  # with the domain and the account before them
        return int(tokens[sequence]), int(tokens[moment]) / 1e9

    @property
    def headers(self) -> Mapping[str, str]:
        """The publisher's headers, with names in lower case."""
        if not self.head:
            return {}
        lines = self.head.decode(errors="replace").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}


class SubscriptionInbox:
    """What the server has sent to the subject of one subscription. `number` is that of the subscription."""

    def __init__(self) -> None:
        self.number = -1
        self._messages: list[Pulled] = []
        self._has_come = asyncio.Event()

    def put(self, message: Pulled) -> None:
        """Add a message that was read."""
        self._messages.append(message)
        self._has_come.set()

    def take(self, buffer: bytearray) -> None:
        """Remove the whole messages of the subscription from the beginning of what was read, and add them."""
        read, at = bytes(buffer), 0
        while (end := read.find(b"\r\n", at)) >= 0:
            line = read[at:end].split()
            if (
                len(line) not in (5, 6)
                or line[0] != _VERBS[len(line)]
                or not _are_numbers(line[2:3] + line[4:])
            ):
                break
            begin, head = end + 2, int(line[4]) if len(line) == 6 else 0
            stop = begin + int(line[-1])
            if int(line[2]) != self.number or stop + 2 > len(read) or begin + head > stop:
                break
            self.put(Pulled(line[3], read[begin + head : stop], read[begin : begin + head]))
            at = stop + 2
        del buffer[:at]

    async def come(self, seconds: float) -> list[Pulled]:
        """What has come, or comes first within `seconds`; empty if nothing does."""
        try:
            async with asyncio.timeout(seconds):
                await self._has_come.wait()
        except TimeoutError:
            pass
        self._has_come.clear()
        messages, self._messages = self._messages, []
        return messages


class Pull:
    """Requests for the messages of one consumer."""

    def __init__(self, connection: Any, subject: str, batch: int) -> None:
        """`subject` is that of the requests; `batch` is for a server that keeps to no limit in bytes."""
        self._connection, self._subject, self._batch = connection, subject, batch
        self._address = ""
        self._inbox: SubscriptionInbox = connection.inbox

    async def open(self) -> None:
        """Subscribe to the answers."""
        self._address = self._connection.new_inbox()
        subscription = await self._connection.subscribe(self._address)
        self._inbox.number = subscription._id
        version = self._connection.connected_server_version
        if (version.major, version.minor) >= _LEAST_VERSION:
            self._batch = 1_000_000

    async def fetch(self, most: int, wait: float) -> list[Pulled]:
        """Up to `most` messages that are there; waits up to `wait` seconds for the first.

        Raises:
            SourceError: the server refuses the request.
        """
        limits = {"batch": max(1, min(most, self._batch)), "max_bytes": _MOST_BYTES}
        messages = await self._answered({**limits, "no_wait": True}, limits["batch"], _ANSWER_SECONDS)
        if messages:
            return messages
        expires = int(wait * 1e9)  # of a size that one message may have in any case
        return await self._answered({"batch": 1, "expires": expires}, 1, wait + _ANSWER_SECONDS)

    async def answer(self, messages: Sequence[Pulled], word: bytes) -> None:
        """Tell the server the same of all messages, and wait until it has read that.

        Without messages nothing is written. From Python 3.12 on, a transport keeps an empty write for ever: it tries
        again without a pause, and never closes.
        """
        if not messages:
            return
        line = b" %d\r\n%b\r\n" % (len(word), word)
        await self._connection._send_command(
            b"".join([b"PUB " + message.reply + line for message in messages])
        )
        await self._connection.flush(5)

    async def _answered(self, request: Mapping[str, Any], most: int, seconds: float) -> list[Pulled]:
        await self._connection.publish(self._subject, msgspec.json.encode(request), self._address)
        messages: list[Pulled] = []
        while len(messages) < most and (came := await self._inbox.come(seconds)):
            messages += [one for one in came if not one.status]
            ends = [one.status for one in came if one.status and not one.status.startswith(_HEARTBEAT)]
            if ends:
                self._check(ends)
                break
        return messages

    def _check(self, ends: Sequence[bytes]) -> None:
        """Look why no more messages come.

        Raises:
            SourceError: the server cannot answer such a request.
        """
        for status in ends:
            if (limit := _LIMIT.search(status)) is not None:
                self._batch = max(1, int(limit[1]))
            elif not status.startswith((_NONE, _TIMEOUT)) and not any(words in status for words in _HARMLESS):
                hint = "does the consumer still exist, and may it be pulled?"
                raise SourceError(f"NATS: {status.decode(errors='replace')}", hint=hint)


def _are_numbers(texts: Sequence[bytes]) -> bool:
    return all(text.isdigit() and len(text) < 12 for text in texts)
