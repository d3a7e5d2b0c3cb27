"""Sends calls when they are due, over connections that stay open, and notes what became of each."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from monitor.loadtest.arrivals import Floats
from monitor.outgoing.persistent import Answer, Peer, connected

NOT_SENT = "no free connection"
"""The failure of calls that found no connection until their deadline."""
CUT = "stopped"
"""The failure of calls that were under way or due when the stage was stopped. They are not judged."""
STOPS_AFTER = 50
"""Calls of the last seconds that must have ended before a share of failures stops a stage."""
_LONGEST_IDLE = 2.0
"""Seconds after which an idle connection is not used again: a server may be about to close it."""
_SAME = 1e-6
"""Seconds that the event loop may call too early, because of rounding."""


class LoadConnection(Protocol):
    """A connection with one call at a time."""

    @property
    def is_open(self) -> bool:
        """Whether it can be used for a call."""
        ...

    def ask(self, request: bytes, deadline: float, done: Callable[[Answer], None]) -> None:
        """Send a request; `done` is called once, at a time of the event loop until `deadline`."""
        ...

    def close(self) -> None:
        """Close it at once."""
        ...


Connect = Callable[[Peer, float], Awaitable[LoadConnection | Answer]]
"""Opens a connection within some seconds, or says why there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class StageCalls:
    """What became of the calls of a stage; all arrays have shape (n,), times are in seconds from its start.

    `due` is when a call should have been sent, `noticed` when the generator came to it, `sent` when it was written
    (NaN: never), `ended` when its answer was complete or it failed. `failure` is the index of its text in `failures`,
    0 of a success. `stopped` says why the stage was stopped early. `cpu_seconds` is what the generator used.
    """

    due: Floats
    noticed: Floats
    sent: Floats
    ended: Floats
    failure: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
    failures: tuple[str, ...]
    connections: int
    retry_after: float
    cpu_seconds: float
    seconds: float
    stopped: str = ""


class Generator:
    """Sends to one peer. Connections are kept from stage to stage. To be used in one event loop.

    `refused` says what is wrong with an answer (empty if nothing is). `most_failures` is the share of failed calls of
    the last two seconds at which a stage stops.
    """

    def __init__(
        self,
        peer: Peer,
        refused: Callable[[Answer], str],
        *,
        within: float,
        most_connections: int,
        most_failures: float = 0.5,
        connect: Connect = connected,
    ) -> None:
        self._peer, self._refused, self._within = peer, refused, within
        self._most, self._most_failures = most_connections, most_failures
        self._connect = connect
        self._idle: list[tuple[LoadConnection, float]] = []
        self._count = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._stage: _Stage | None = None

    async def run(
        self, due: Floats, request: Callable[[int], bytes], is_stopped: Callable[[], bool] = lambda: False
    ) -> StageCalls:
        """Send a call at each moment of `due`; `request(i)` is head and body of call i. Returns when all have ended:
        at the latest `within` seconds after the last was due.
        """
        stage = _Stage(self, due, request, is_stopped)
        self._stage = stage
        try:
            return await stage.run()
        finally:
            self._stage = None

    def close(self) -> None:
        """Close all connections."""
        for task in self._opening:
            task.cancel()
        for connection, _ in self._idle:
            connection.close()

    @property
    def connections(self) -> int:
        """Connections that are open or being opened."""
        return self._count

    def free(self, wanted: int) -> LoadConnection | None:
        """A connection without a call. If there is none, as many are opened as are `wanted` and allowed."""
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_open and asyncio.get_running_loop().time() - since < _LONGEST_IDLE:
                return connection
            connection.close()
            self._count -= 1
        while self._count < self._most and len(self._opening) < wanted:
            self._count += 1
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return None

    async def _open(self) -> None:
        made = await self._connect(self._peer, self._within)
        if not isinstance(made, Answer):
            self.release(made)
            return
        self._count -= 1
        if self._stage is not None:
            self._stage.not_connected(made)

    def release(self, connection: LoadConnection) -> None:
        """Take a connection back whose call has ended."""
        if not connection.is_open:
            self._count -= 1
            if self._stage is not None:
                self._stage.serve()
        elif self._stage is None or not self._stage.take(connection):
            self._idle.append((connection, asyncio.get_running_loop().time()))

    def judged(self, answer: Answer) -> str:
        """What is wrong with an answer; empty if nothing is."""
        return answer.failure or self._refused(answer)

    @property
    def within(self) -> float:
        """Seconds that a call may take from the moment when it is due."""
        return self._within

    @property
    def most_failures(self) -> float:
        """The share of failures at which a stage stops."""
        return self._most_failures


class _Stage:
    """The calls of one stage."""

    def __init__(
        self,
        generator: Generator,
        due: Floats,
        request: Callable[[int], bytes],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._generator, self._due, self._request, self._is_stopped = generator, due, request, is_stopped
        self._loop = asyncio.get_running_loop()
        self.waiting: deque[int] = deque()
        count = len(due)
        self._noticed, self._sent, self._ended = (np.full(count, np.nan) for _ in range(3))
        self._failure = np.zeros(count, np.int16)
        self._failures = {"": 0}
        self._next = self._over = 0
        self._under_way: dict[int, LoadConnection] = {}
        self._recent: deque[tuple[float, bool]] = deque()
        self._retry_after, self._stopped = 0.0, ""
        self._done = self._loop.create_future()

    async def run(self) -> StageCalls:
        began, cpu = self._loop.time(), time.process_time()
        self._start = began
        self._send_due()
        last = began + float(self._due[-1]) + self._generator.within + 1
        ending = self._loop.call_at(last, self._stop, "")
        looking = self._loop.create_task(self._look())
        try:
            await self._done
        finally:
            ending.cancel()
            looking.cancel()
        self._note_open()
        return StageCalls(
            self._due,
            self._noticed,
            self._sent,
            self._ended,
            self._failure,
            tuple(self._failures),
            self._generator.connections,
            self._retry_after,
            time.process_time() - cpu,
            self._loop.time() - began,
            self._stopped,
        )

    def _send_due(self) -> None:
        """Send every call that is due, and come back for the next one."""
        if self._done.done():
            return
        now = self._loop.time() - self._start
        while self._next < len(self._due) and self._due[self._next] <= now + _SAME:
            number = self._next
            self._next += 1
            self._noticed[number] = max(now, self._due[number])
            self.waiting.append(number)
        self.serve()
        if self._next < len(self._due):
            self._loop.call_at(self._start + float(self._due[self._next]), self._send_due)

    def serve(self) -> None:
        """Send the calls that wait, as far as there are free connections."""
        while self.waiting:
            connection = self._generator.free(len(self.waiting))
            if connection is None:
                return
            if not self.take(connection):
                self._generator.release(connection)

    def take(self, connection: LoadConnection) -> bool:
        """Send the call that has waited longest over a connection. Returns False if none waits."""
        while self.waiting:
            number = self.waiting.popleft()
            if self._loop.time() < self._deadline(number):
                self._send(number, connection)
                return True
            self._end(number, NOT_SENT)
        return False

    def _deadline(self, number: int) -> float:
        return self._start + float(self._due[number]) + self._generator.within

    def _send(self, number: int, connection: LoadConnection) -> None:
        self._sent[number] = self._loop.time() - self._start
        self._under_way[number] = connection

        def done(answer: Answer) -> None:
            self._under_way.pop(number, None)
            self._retry_after = max(self._retry_after, answer.retry_after)
            self._end(number, self._generator.judged(answer))
            self._generator.release(connection)

        connection.ask(self._request(number), self._deadline(number), done)

    def not_connected(self, answer: Answer) -> None:
        """A connection could not be opened: it is the failure of the call that has waited longest."""
        if self.waiting:
            self._end(self.waiting.popleft(), answer.failure)
            self.serve()

    def _end(self, number: int, failure: str) -> None:
        if self._done.done():
            return
        now = self._loop.time() - self._start
        self._ended[number] = now
        if failure:
            self._failure[number] = self._failures.setdefault(failure, len(self._failures))
        self._recent.append((now, bool(failure)))
        self._over += 1
        if self._over == len(self._due):
            self._done.set_result(None)

    async def _look(self) -> None:
        """Every tenth of a second: end the calls that wait too long, and stop if most fail or someone asks for it."""
        while True:
            await asyncio.sleep(0.1)
            while self.waiting and self._loop.time() >= self._deadline(self.waiting[0]):
                self._end(self.waiting.popleft(), NOT_SENT)
            if self._is_stopped():
                self._stop("interrupted")
            now = self._loop.time() - self._start
            while self._recent and self._recent[0][0] < now - 2:
                self._recent.popleft()
            failed = sum(is_failure for _, is_failure in self._recent)
            if len(self._recent) >= STOPS_AFTER and failed > self._generator.most_failures * len(
                self._recent
            ):
                share = failed / len(self._recent)
                self._stop(f"{share:.0%} of the calls of the last two seconds failed")

    def _stop(self, reason: str) -> None:
        if not self._done.done():
            self._stopped = reason
            self._done.set_result(None)

    def _note_open(self) -> None:
        """Calls that have not ended: cut, with the time that they have taken so far."""
        now = self._loop.time() - self._start
        open_calls = np.isnan(self._ended)
        if open_calls.any():
            self._failure[open_calls] = self._failures.setdefault(CUT, len(self._failures))
            self._ended[open_calls] = np.maximum(now, self._due[open_calls])
        for connection in list(self._under_way.values()):
            connection.close()
        self.waiting.clear()


def failure_counts(calls: StageCalls) -> Counter[str]:
    """How many calls failed by which failure."""
    counts = np.bincount(calls.failure, minlength=len(calls.failures))
    return Counter({text: int(n) for text, n in zip(calls.failures, counts, strict=True) if text and n})
