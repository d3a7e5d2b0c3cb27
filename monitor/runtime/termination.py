"""SIGINT and SIGTERM: the first one ends the process in order, a second one at once."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

BOTH = (signal.SIGINT, signal.SIGTERM)
SAME_REQUEST_SECONDS = 0.5
"""A terminal and a supervisor may each send a signal for one request to stop."""


def on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` on the first SIGINT or SIGTERM. A later one ends the process with 128 and the signal's number.

    What was acknowledged is on disk by then, and a start after it goes on as after a crash. Only for the main thread.
    """
    handler = _Handler(stop)
    for number in BOTH:
        signal.signal(number, handler)


class _Handler:
    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._first: float | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._stop()
        elif now - self._first > SAME_REQUEST_SECONDS:
            os._exit(128 + number)
