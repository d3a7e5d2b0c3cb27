"""Waiting on the event loop for what the prediction log's thread has done.

A commit answers many requests: they are told together, by one wake-up of the loop. The other way round, small requests
that came in during one turn of the loop are handed over together, and become one commit.
"""

import asyncio
import contextlib
from collections import deque

from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake import Submission
from monitor.predictions.log import PredictionLog
from monitor.predictions.receipts import Receipt

_Result = Receipt | WatchkeeperError
_SMALL = 16_384
"""Bytes of a request that is not worth a commit of its own."""


class Mailbox:
    """Carries requests to the writer's thread, and receipts from there to the requests that wait for them."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._arrived: deque[tuple[asyncio.Future[Receipt], _Result]] = deque()
        self._is_emptying = False
        self._is_sending = False

    async def stored(self, submission: Submission, patience: float) -> Receipt:
        """The receipt of a submission, once it is on disk.

        Raises:
            BusyError: too much waits, the database refused, or it took longer than `patience` seconds.
            WatchkeeperError: the request cannot be stored.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()

        def answer(result: _Result) -> None:
            self._arrived.append((future, result))
            if not self._is_emptying:
                self._is_emptying = True
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._empty)

        self._log.hand_over(submission, answer)
        if submission.size > _SMALL:
            self._log.wake()
        elif not self._is_sending:
            self._is_sending = True
            loop.call_soon(self._send)
        alarm = loop.call_later(patience, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    def _send(self) -> None:
        self._is_sending = False
        self._log.wake()

    def _empty(self) -> None:
        self._is_emptying = False
        while self._arrived:
            future, result = self._arrived.popleft()
            if future.done():
                continue
            if isinstance(result, Receipt):
                future.set_result(result)
            else:
                future.set_exception(result)


def _give_up(future: asyncio.Future[Receipt]) -> None:
    if not future.done():
        hint = "send the same again: nothing is doubled"
        future.set_exception(BusyError("the database did not answer in time", retry_after=5, hint=hint))
