"""A bounded load on loopback: so many requests over so many connections, each answered before the next is sent.

Runs in a process of its own (`python -m tests.bench.load`), reads its orders as JSON on standard input and writes what
it saw as JSON on standard output. Each request is made of one body in which eight `@` stand for its number, so that no
two are equal, and the time of its JSON records for the time when it is sent, as it is in life.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Orders:
    port: int
    path: str
    content_type: str
    body_file: str
    requests: int
    connections: int
    rate: float = 0.0
    most_seconds: float = 60.0
    first: int = 0


@dataclass
class Seen:
    answered: int = 0
    refused: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_refusal: str = ""


class Connection(asyncio.Protocol):
    def __init__(self, load: "Load") -> None:
        self.load, self.received, self.expected = load, b"", 0
        self.sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.ready(self)

    def send(self, request: bytes, due: float) -> None:
        self.sent_at = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        start = head.lower().index(b"content-length:") + 15
        if len(rest) >= int(head[start : (head + b"\r\n").index(b"\r\n", start)]):
            self.received = b""
            self.load.answered(self, head[9:12] in (b"200", b"202"), rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost(exc)


class Load:
    """Closed loop at `rate` 0; else requests are due at fixed times, and latency counts from when one was due."""

    def __init__(self, orders: Orders) -> None:
        self.orders, self.seen = orders, Seen()
        with open(orders.body_file, "rb") as file:  # noqa: PTH123
            self.body = file.read()
        self.head = (
            f"POST {orders.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {orders.content_type}\r\n"
            f"content-length: {len(self.body)}\r\n\r\n"
        ).encode()
        written = re.search(rb'"timestamp": (\d{10}\.\d{6})', self.body)
        self.moment = written[1] if written else b""
        self.sent, self.idle, self.done = 0, [], asyncio.Event()
        self.began = 0.0

    def request(self) -> bytes:
        number = b"%08x" % (self.orders.first + self.sent)
        self.sent += 1
        body = self.body.replace(b"@@@@@@@@", number)
        return self.head + (body.replace(self.moment, b"%.6f" % time.time()) if self.moment else body)

    def ready(self, connection: Connection) -> None:
        if self.sent >= self.orders.requests or time.perf_counter() - self.began > self.orders.most_seconds:
            if self.seen.answered + self.seen.refused >= self.sent:
                self.done.set()
        elif self.orders.rate:
            self.idle.append(connection)
        else:
            connection.send(self.request(), time.perf_counter())

    def answered(self, connection: Connection, taken: bool, body: bytes) -> None:
        self.seen.latencies.append(time.perf_counter() - connection.sent_at)
        if taken:
            self.seen.answered += 1
        else:
            self.seen.refused += 1
            self.seen.first_refusal = self.seen.first_refusal or body[:300].decode(errors="replace")
        self.ready(connection)

    def lost(self, error: Exception | None) -> None:
        if not self.done.is_set():
            self.seen.first_refusal = f"a connection was lost: {error}"
            self.done.set()

    async def pace(self) -> None:
        """Send what is due over whichever connection is free."""
        while not self.done.is_set() and self.sent < self.orders.requests:
            due = self.began + self.sent / self.orders.rate
            wait = due - time.perf_counter()
            if wait > 0.0005 or not self.idle:
                await asyncio.sleep(max(0.0002, min(wait, 0.005)))
            else:
                self.idle.pop().send(self.request(), due)

    async def run(self) -> Seen:
        loop = asyncio.get_running_loop()
        self.began = time.perf_counter()
        for _ in range(self.orders.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.orders.port)
        if self.orders.rate:
            await self.pace()
        await asyncio.wait_for(self.done.wait(), self.orders.most_seconds + 30)
        self.seen.seconds, self.seen.cpu = time.perf_counter() - self.began, time.process_time()
        return self.seen


if __name__ == "__main__":
    import uvloop

    said = json.dumps(asdict(uvloop.run(Load(Orders(**json.load(sys.stdin))).run())))
    with open(sys.stdout.fileno(), "w", closefd=False) as out:
        out.write(said)
