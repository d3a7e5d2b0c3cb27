"""The time and the number of bytes that one call may use."""

import time

import httpcore2

MOST_BYTES = 1 << 20
"""The largest response in bytes, including its head and everything before it."""


class CallBudget:
    """The remaining seconds and received bytes of one call, shared by all its requests."""

    def __init__(self, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds
        self._most = self._room = most_bytes

    def left(self) -> float:
        """The remaining seconds.

        Raises:
            httpcore2.ReadTimeout: the time is used up.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout(f"no complete response within {self.seconds:g} s")
        return left

    def received(self, count: int) -> None:
        """Count received bytes.

        Raises:
            httpcore2.ReadError: the response is too large.
        """
        self._room -= count
        if self._room < 0:
            raise httpcore2.ReadError(f"the response is larger than {self._most:,} bytes")
