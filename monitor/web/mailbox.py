"""Waiting on the event loop for what the prediction log's thread has done.

A commit answers many requests: they are told together, by one wake-up of the loop.
"""

import asyncio
import contextlib
from collections import deque

from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake import Submission
from monitor.predictions.log import PredictionLog, Receipt

_Result = Receipt | WatchkeeperError


class Mailbox:
    """Carries receipts from the writer's thread to the requests that wait for them."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[asyncio.Future[Receipt], _Result]] = deque()
        self._called = False

    async def stored(self, log: PredictionLog, submission: Submission, patience: float) -> Receipt:
        """The receipt of a submission, once it is on disk.

        Raises:
            BusyError: too much waits, the database refused, or it took longer than `patience` seconds.
            WatchkeeperError: the request cannot be stored.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()

        def answer(result: _Result) -> None:
            self._arrived.append((future, result))
            if not self._called:
                self._called = True
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._deliver)

        log.hand_over(submission, answer)
        alarm = loop.call_later(patience, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    def _deliver(self) -> None:
        self._called = False
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
