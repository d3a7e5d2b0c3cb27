"""Waiting on the event loop for what the prediction log's thread has done.

A commit answers many requests: they are told together, by one wake-up of the loop. The other way round, small requests
are handed over together, when a turn of the loop brought no further one: so what comes in at the same time becomes one
commit, and the writer is woken once for it.
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
_LINGER = 0.002
"""Seconds that the first of many waits for the others."""
_ENOUGH = 1_000_000
"""So many bytes are handed over at once."""


class _Sent:
    """A request that is under way, until its sender is told; at `due` that it took too long."""

    __slots__ = ("answer", "due", "is_done")

    def __init__(self, answer: Answer, due: float) -> None:
        self.answer = answer
        self.due = due
        self.is_done = False

    def tell(self, result: _Result) -> None:
        """Answer, once."""
        if not self.is_done:
            self.is_done = True
            self.answer(result)


class Mailbox:
    """Carries requests to the writer's thread, and receipts from there to those who wait for them.

    Used on one event loop. Nobody is kept waiting for more than `patience` seconds.
    """

    def __init__(self, log: PredictionLog, patience: float) -> None:
        self._log = log
        self._patience = patience
        self._leaving: list[tuple[Letter | Submission, Answer]] = []
        self._size = 0
        self._since = 0.0
        self._is_fresh = False
        self._arrived: deque[tuple[_Sent, _Result]] = deque()
        self._waiting: deque[_Sent] = deque()
        self._is_emptying = False
        self._is_sending = False
        self._alarm: asyncio.TimerHandle | None = None

    def send(self, request: Letter | Submission, answer: Answer) -> None:
        """Have a request stored. `answer` is told once, on the loop: the receipt when it is on disk; BusyError if too
        much waits, the database refused, or it took too long; another error if the request cannot be stored.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._leaving:
            self._since = now
        sent = _Sent(answer, now + self._patience)
        self._leaving.append((request, partial(self._arrive, loop, sent)))
        self._size += request.size
        self._is_fresh = self._size < _ENOUGH
        self._send_soon(loop)
        self._waiting.append(sent)
        if self._alarm is None:
            self._alarm = loop.call_later(self._patience, self._look)

    def _send_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_sending:
            self._is_sending = True
            loop.call_soon(self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        """At the end of a turn: wait for another one if it brought something, else hand over what there is."""
        self._is_sending = False
        if self._is_fresh and loop.time() - self._since < _LINGER:
            self._is_fresh = False
            self._send_soon(loop)
        else:
            leaving, self._leaving, self._size = self._leaving, [], 0
            self._log.hand_over(leaving)

    def _arrive(self, loop: asyncio.AbstractEventLoop, sent: _Sent, result: _Result) -> None:
        """In the writer's thread."""
        self._arrived.append((sent, result))
        if not self._is_emptying:
            self._is_emptying = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._empty, loop)

    def _empty(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_emptying = False
        try:
            while self._arrived:
                sent, result = self._arrived.popleft()
                sent.tell(result)
        finally:
            if self._arrived:  # one answer went wrong: the loop says so, and the others are told
                loop.call_soon(self._empty, loop)
        while self._waiting and self._waiting[0].is_done:
            self._waiting.popleft()
        if self._waiting:
            self._send_soon(loop)

    def _look(self) -> None:
        """Give up on those who waited too long, and look again when the next one will have."""
        loop = asyncio.get_running_loop()
        self._alarm = None
        while self._waiting:
            sent = self._waiting[0]
            if not sent.is_done and sent.due > loop.time():
                self._alarm = loop.call_at(sent.due, self._look)
                return
            self._waiting.popleft()
            hint = "send the same again: nothing is doubled"
            sent.tell(BusyError("the database did not answer in time", retry_after=5, hint=hint))
