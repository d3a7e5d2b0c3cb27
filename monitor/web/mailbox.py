"""Waiting on the event loop for what the prediction log's thread has done.

A commit answers many requests: they are told together, by one wake-up of the loop. The other way round, small requests
are handed over together, and the writer is called when a turn of the loop brought no further one: so what comes in at
the same time becomes one commit.
"""

import asyncio
import contextlib
from collections import deque
from functools import partial

from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake import Submission
from monitor.predictions.letters import Letter
from monitor.predictions.log import PredictionLog
from monitor.predictions.receipts import Answer, Receipt

_Result = Receipt | WatchkeeperError
_Future = asyncio.Future[Receipt]


class Mailbox:
    """Carries requests to the writer's thread, and receipts from there to the requests that wait for them.

    Used on one event loop. Nobody is kept waiting for more than `patience` seconds.
    """

    def __init__(self, log: PredictionLog, patience: float) -> None:
        self._log = log
        self._patience = patience
        self._leaving: list[tuple[Letter | Submission, Answer]] = []
        self._arrived: deque[tuple[_Future, _Result]] = deque()
        self._waiting: deque[tuple[float, _Future]] = deque()
        self._is_emptying = False
        self._is_sending = False
        self._alarm: asyncio.TimerHandle | None = None

    def stored(self, request: Letter | Submission) -> _Future:
        """The receipt of a request, once it is on disk.

        Awaiting it raises BusyError if too much waits, the database refused, or it took too long; another
        WatchkeeperError if the request cannot be stored.
        """
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        self._leaving.append((request, partial(self._arrive, loop, future)))
        self._send_soon(loop)
        self._waiting.append((loop.time() + self._patience, future))
        if self._alarm is None:
            self._alarm = loop.call_later(self._patience, self._look)
        return future

    def _send_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_sending:
            self._is_sending = True
            loop.call_soon(self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        """At the end of a turn: hand over what it brought; call the writer if that was nothing."""
        self._is_sending = False
        if self._leaving:
            self._hand_over()
            self._send_soon(loop)
        else:
            self._log.wake()

    def _hand_over(self) -> None:
        leaving, self._leaving = self._leaving, []
        self._log.hand_over(leaving)

    def _arrive(self, loop: asyncio.AbstractEventLoop, future: _Future, result: _Result) -> None:
        """In the writer's thread."""
        self._arrived.append((future, result))
        if not self._is_emptying:
            self._is_emptying = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._empty, loop)

    def _empty(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_emptying = False
        while self._arrived:
            future, result = self._arrived.popleft()
            if future.done():
                continue
            if isinstance(result, Receipt):
                future.set_result(result)
            else:
                future.set_exception(result)
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        if self._waiting:
            self._send_soon(loop)

    def _look(self) -> None:
        """Give up on those who waited too long, and look again when the next one will have."""
        loop = asyncio.get_running_loop()
        self._alarm = None
        while self._waiting:
            due, future = self._waiting[0]
            if not future.done():
                if due > loop.time():
                    self._alarm = loop.call_at(due, self._look)
                    return
                hint = "send the same again: nothing is doubled"
                future.set_exception(
                    BusyError("the database did not answer in time", retry_after=5, hint=hint)
                )
            self._waiting.popleft()
