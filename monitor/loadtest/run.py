"""A load test from the first call to the verdict: a trial, a warm-up, the agreed rate, steps to the limit."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from monitor.errors import WatchkeeperError
from monitor.loadtest.arrivals import Arrivals, Floats, due, ramp
from monitor.loadtest.generator import Connect, Generator, StageCalls
from monitor.loadtest.objectives import ObjectiveKind
from monitor.loadtest.search import next_rate
from monitor.loadtest.stage import StageLoad, StageResult, result
from monitor.loadtest.target import Target
from monitor.loadtest.verdict import LoadTestPlan, LoadVerdict, tried, verdict
from monitor.outgoing.persistent import connected
from monitor.visible import visible

MOST_CALLS = 5_000_000
"""Calls of a whole test."""
_BETWEEN = 0.5
_LONGEST_PAUSE = 30.0
_LATENCIES = 4.0
"""A stage lasts at least this many times the largest latency that is agreed."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long stages last, in seconds, and how calls are sent. `within` is the deadline of a call."""

    duration: float = 30.0
    step: float = 10.0
    warm_up: float = 5.0
    within: float = 10.0
    most_connections: int = 256
    most_stages: int = 12
    arrivals: Arrivals = Arrivals.POISSON
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LoadTest:
    """A finished load test."""

    plan: LoadTestPlan
    stages: tuple[StageResult, ...]
    verdict: LoadVerdict
    interrupted: bool
    cores: int
    notes: tuple[str, ...] = ()


def load_test(
    target: Target,
    plan: LoadTestPlan,
    pace: Pace,
    on_stage: Callable[[StageResult], None] = lambda _: None,
    connect: Connect = connected,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> LoadTest:
    """Run a load test. Ctrl-C ends it with what was found so far.

    Raises:
        WatchkeeperError: the first call fails.
    """
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_Run(target, plan, pace, on_stage, connect).run())


def needed(plan: LoadTestPlan, rate: float, seconds: float) -> float:
    """How long a stage lasts that was meant to last `seconds`: as long as it takes to tell."""
    calls = max(objective.least_calls for objective in plan.objectives)
    latencies = [objective.limit for objective in plan.objectives if objective.kind is ObjectiveKind.LATENCY]
    return max(seconds, 1.05 * calls / rate, _LATENCIES * max(latencies, default=0.0))


@dataclass(slots=True)
class _Run:
    target: Target
    plan: LoadTestPlan
    pace: Pace
    on_stage: Callable[[StageResult], None]
    connect: Connect
    interrupted: bool = False
    numbers: Iterator[int] = field(default_factory=count)
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    stages: list[StageResult] = field(default_factory=list)

    async def run(self) -> LoadTest:
        pace = self.pace
        generator = Generator(
            self.target.peer,
            self.target.refused,
            within=pace.within,
            most_connections=pace.most_connections,
            connect=self.connect,
        )
        with self._interruptible():
            try:
                await self._trial(generator)
                if pace.warm_up:
                    await self._calls(generator, ramp(self.plan.wanted, pace.warm_up, pace.seed))
                await self._search(generator)
            finally:
                generator.close()
        judged = verdict(self.plan, self.stages, self.cores, interrupted=self.interrupted)
        notes = self.target.notes
        return LoadTest(self.plan, tuple(self.stages), judged, self.interrupted, self.cores, notes)

    async def _trial(self, generator: Generator) -> None:
        calls, _ = await self._calls(generator, np.zeros(1))
        failures = [calls.failures[number] for number in calls.failure if number]
        if failures and not self.interrupted:
            raise WatchkeeperError(
                f"the first call to {self.target.server} failed: {visible(failures[0])}",
                hint="a load test needs calls that succeed: check the address, the headers or the template",
            )

    async def _search(self, generator: Generator) -> None:
        left = MOST_CALLS
        while not self.interrupted:
            points = tried(self.stages, self.cores)
            rate = next_rate(self.plan.wanted, self.plan.highest, points, self.pace.most_stages)
            if rate is None:
                return
            seconds = self._seconds(rate)
            if rate * seconds > left:
                return
            left -= round(rate * seconds)
            await self._pause()
            await self._stage(generator, rate, seconds)

    def _seconds(self, rate: float) -> float:
        return needed(self.plan, rate, self.pace.step if self.stages else self.pace.duration)

    async def _pause(self) -> None:
        """Let the server come to rest, for as long as it asks."""
        asked = self.stages[-1].retry_after if self.stages else 0.0
        loop = asyncio.get_running_loop()
        until = loop.time() + max(_BETWEEN, min(asked, _LONGEST_PAUSE))
        while loop.time() < until and not self.interrupted:
            await asyncio.sleep(0.1)

    async def _stage(self, generator: Generator, rate: float, seconds: float) -> None:
        moments = due(self.pace.arrivals, rate, seconds, self.pace.seed + len(self.stages))
        calls, around = await self._calls(generator, moments)
        if self.interrupted and not calls.stopped:
            return
        stage = result(rate, calls, self.plan.objectives, around)
        self.stages.append(stage)
        self.on_stage(stage)

    async def _calls(self, generator: Generator, moments: Floats) -> tuple[StageCalls, StageLoad]:
        first = next(self.numbers)
        offset = first << 24  # ids of a stage do not meet those of another
        watch, began = self.target.watch, asyncio.get_running_loop().time()
        if watch is not None:
            watch.begin()
        looking = asyncio.create_task(self._look())
        try:
            calls = await generator.run(
                moments, lambda number: self.target.request(offset + number), lambda: self.interrupted
            )
            if watch is not None:
                await watch.look()
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
        accepted = np.sort(calls.ended[calls.failure == 0]) + began
        return calls, watch.end(accepted.tolist()) if watch is not None else StageLoad()

    async def _look(self) -> None:
        while self.target.watch is not None:
            await asyncio.sleep(1)
            await self.target.watch.look()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self.interrupted = True
            loop.remove_signal_handler(signal.SIGINT)  # the second one ends the program

        try:
            loop.add_signal_handler(signal.SIGINT, interrupt)
        except (ValueError, RuntimeError):  # not in the main thread
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
