"""The pipes to a resident child process, with a deadline for everything that waits."""

import contextlib
import fcntl
import os
import pickle
import select
from collections.abc import Callable, Sequence

from monitor.childprocess.messages import LENGTH, MOST_BYTES, ChildMessage

_CAPACITY = 2**20
"""Bytes that a pipe holds, if the system allows it: fewer waits for a large body."""


class Pipes:
    """The input and the output of a child. Used by one thread at a time. Deadlines are in the seconds of `elapsed`."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._to = self._from = -1
        self._received = bytearray()

    def use(self, to_child: int, from_child: int) -> None:
        """Use these file descriptors."""
        self._to, self._from = to_child, from_child
        for descriptor in (to_child, from_child):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError):  # more than a user may have
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CAPACITY)

    def send(self, parts: Sequence[bytes], until: float) -> None:
        """Send bytes.

        Raises:
            BrokenPipeError: the child has ended.
            TimeoutError: it does not read them in time.
        """
        for part in parts:
            left = memoryview(part)
            while left:
                try:
                    left = left[os.write(self._to, left[:_CAPACITY]) :]
                except BlockingIOError:
                    self._wait(self._to, select.POLLOUT, until)

    def receive(self, until: float) -> ChildMessage:
        """The next message.

        Raises:
            EOFError: the child has ended.
            TimeoutError: there is none in time.
            ValueError: it is too large.
        """
        size = LENGTH.unpack(self._exactly(LENGTH.size, until))[0]
        if size > MOST_BYTES:
            raise ValueError(f"an answer of {size:,} bytes")
        message = pickle.loads(self._exactly(size, until))  # noqa: S301 - from a child that was started here
        assert isinstance(message, ChildMessage)
        return message

    def _exactly(self, size: int, until: float) -> bytes:
        while len(self._received) < size:
            try:
                part = os.read(self._from, _CAPACITY)
            except BlockingIOError:
                self._wait(self._from, select.POLLIN, until)
                continue
            if not part:
                raise EOFError
            self._received += part
        content = bytes(self._received[:size])
        del self._received[:size]
        return content

    def _wait(self, descriptor: int, event: int, until: float) -> None:
        left = until - self._elapsed()
        poll = select.poll()
        poll.register(descriptor, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError
