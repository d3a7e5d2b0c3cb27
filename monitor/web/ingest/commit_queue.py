"""Connects the event loop with the thread of the prediction log.

A commit answers many requests, by one wake-up of the loop. In the other direction, small requests are collected and
submitted together once an iteration of the loop brought no further one: requests that arrive at the same time become
one commit, and the writer is woken once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from functools import partial

from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.intake.requests import Answer, IntakeResult, RawRequest
from monitor.predictions.log.writer import PredictionLog

_Result = IntakeResult | WatchkeeperError
_COLLECT_SECONDS = 0.002
"""Maximum seconds that the first request waits for others."""
_SUBMIT_AT_ONCE_BYTES = 1_000_000
"""When this many bytes are collected, they are submitted at once."""


class CommitQueue:
    """Submits requests to the writer's thread, and delivers its receipts to waiting handlers.

    Used on one event loop. A handler waits at most `timeout` seconds.
    """

    def __init__(self, log: PredictionLog, timeout: float) -> None:
        self._log = log
        self._timeout = timeout
        self._collected: list[tuple[RawRequest | ParsedRequest, Answer]] = []
        self._size = 0
        self._since = 0.0
        self._has_new = False
        self._answers: deque[tuple[asyncio.Future[_Result], _Result]] = deque()
        self._waiting: deque[tuple[asyncio.Future[_Result], float]] = deque()
        self._is_delivery_scheduled = False
        self._is_submit_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    def commit(self, request: RawRequest | ParsedRequest) -> asyncio.Future[_Result]:
        """Have a request stored. The result is the receipt once it is on disk; BusyError if too much is waiting, the
        database failed, or it took too long; or another error if the request cannot be stored.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._collected:
            self._since = now
        result: asyncio.Future[_Result] = loop.create_future()
        self._collected.append((request, partial(self._answer, loop, result)))
        self._size += request.size
        self._has_new = self._size < _SUBMIT_AT_ONCE_BYTES
        self._submit_soon(loop)
        self._wait_for(result, loop)
        return result

    def commit_slices(self, slices: Sequence[ParsedRequest]) -> asyncio.Future[_Result]:
        """As `commit`, for the slices of one request."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[_Result] = loop.create_future()
        self._wait_for(result, loop)
        self._log.submit_slices(slices, partial(self._answer, loop, result))
        return result

    def _wait_for(self, result: asyncio.Future[_Result], loop: asyncio.AbstractEventLoop) -> None:
        self._waiting.append((result, loop.time() + self._timeout))
        if self._timer is None:
            self._timer = loop.call_later(self._timeout, self._expire)

    def _submit_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_submit_scheduled:
            self._is_submit_scheduled = True
            loop.call_soon(self._submit, loop)

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        """At the end of an iteration: wait for another one if it brought a request, otherwise submit."""
        self._is_submit_scheduled = False
        if self._has_new and loop.time() - self._since < _COLLECT_SECONDS:
            self._has_new = False
            self._submit_soon(loop)
        else:
            collected, self._collected, self._size = self._collected, [], 0
            self._log.submit(collected)

    def _answer(
        self, loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[_Result], result: _Result
    ) -> None:
        """Called in the writer's thread."""
        self._answers.append((waiting, result))
        if not self._is_delivery_scheduled:
            self._is_delivery_scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: no handler is waiting
                loop.call_soon_threadsafe(self._deliver_answers, loop)

    def _deliver_answers(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_delivery_scheduled = False
        while self._answers:
            waiting, result = self._answers.popleft()
            if not waiting.done():
                waiting.set_result(result)
        while self._waiting and self._waiting[0][0].done():
            self._waiting.popleft()
        if self._waiting:
            self._submit_soon(loop)

    def _expire(self) -> None:
        """Answer requests that waited too long, and schedule the next check."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._waiting:
            waiting, due = self._waiting[0]
            if not waiting.done():
                if due > loop.time():
                    self._timer = loop.call_at(due, self._expire)
                    return
                hint = "send the same request again; it is stored only once"
                waiting.set_result(
                    BusyError("the database did not respond in time", retry_after=5, hint=hint)
                )
            self._waiting.popleft()
