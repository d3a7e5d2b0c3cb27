"""Time that passes only when nothing else is to be done, and servers of which everything is known: a load test of
minutes takes a moment, and is the same each time.
"""

import asyncio
import selectors
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from monitor.loadtest.objectives import parse
from monitor.loadtest.run import LoadTest, Pace, load_test
from monitor.loadtest.target import Target
from monitor.loadtest.verdict import LoadTestPlan
from monitor.outgoing.persistent import Answer, Peer

OK = Answer(200)


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found  # type: ignore[no-any-return]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual."""

    def __init__(self) -> None:
        self.clock = _Selector()
        super().__init__(self.clock)

    def time(self) -> float:
        """The virtual time in seconds."""
        return self.clock.now

    def spend(self, seconds: float) -> None:
        """As if the program were busy for so long."""
        self.clock.now += seconds


class SimulatedServer:
    """Serves calls in order of arrival: `service(n)` seconds for call n, by one of `workers`."""

    def __init__(
        self,
        service: float | Callable[[int], float],
        workers: int = 1,
        answer: Callable[[int, float], Answer] = lambda _number, _waited: OK,
    ) -> None:
        self._service = service if callable(service) else lambda _: service
        self._free = [0.0] * workers
        self._answer = answer
        self.calls = 0

    async def connect(self, _peer: Peer, _seconds: float) -> "SimulatedConnection":
        """A connection, at once."""
        return SimulatedConnection(self)

    def serve(self) -> tuple[float, Answer]:
        """When the call that comes now is answered, and how."""
        now = asyncio.get_running_loop().time()
        begins = max(now, self._free[0])
        self._free[0] = ends = begins + self._service(self.calls)
        self._free.sort()
        self.calls += 1
        return ends, self._answer(self.calls - 1, begins - now)


class SimulatedConnection:
    """A connection to a simulated server."""

    def __init__(self, server: SimulatedServer) -> None:
        self._server, self.is_open = server, True

    def ask(self, _request: bytes, deadline: float, done: Callable[[Answer], None]) -> None:
        """Call back when the server answers, or at the deadline."""
        ends, answer = self._server.serve()
        loop = asyncio.get_running_loop()
        if ends <= deadline:
            loop.call_at(ends, done, answer)
        else:
            loop.call_at(deadline, self._late, done)

    def _late(self, done: Callable[[Answer], None]) -> None:
        self.is_open = False
        done(Answer(failure="timeout"))

    def close(self) -> None:
        """Close it."""
        self.is_open = False


def run_on(
    server: SimulatedServer,
    rate: float,
    slo: str = "p95<100ms",
    *,
    up_to: float = 4.0,
    pace: Pace = Pace(),  # noqa: B008 - it is frozen
    request: Callable[[int], bytes] = lambda _: b"",
    on_stage: Callable[..., None] = lambda _: None,
    refused: Callable[[Answer], str] = lambda answer: "" if answer.status == 200 else f"HTTP {answer.status}",
) -> LoadTest:
    """A load test of a simulated server, in virtual time."""
    target = Target("the model", Peer("127.0.0.1", 1, "x"), request, refused)
    plan = LoadTestPlan("acme/fraud/staging", "the model", rate, rate * up_to, parse(slo))
    return load_test(target, plan, pace, on_stage, server.connect, VirtualLoop)


def waited(due: Sequence[float], service: Callable[[int], float]) -> np.ndarray:
    """How long each call takes with one worker, by Lindley's recursion, shape (n,)."""
    free, latencies = -np.inf, []
    for number, at in enumerate(due):
        free = max(at, free) + service(number)
        latencies.append(free - at)
    return np.array(latencies)
