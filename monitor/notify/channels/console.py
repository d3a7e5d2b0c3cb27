"""The console: every notification as text on the daemon's standard error."""

import os
import select
import sys
import time
from typing import TextIO

from monitor.alerts.notification import Notification
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.text import lines
from monitor.visible import JOINERS, visible


class Console:
    """Writes to standard error, which keeps standard output for data."""

    name = "console"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = None
    actions = PAGES

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, notification: Notification) -> str:
        """Write it; control characters are escaped.

        Raises:
            AttemptError: standard error is missing, closed or full, or does not accept output in time.
        """
        stream = self._stream or sys.stderr
        text = "\n".join(visible(line, keep=JOINERS) for line in lines(notification)) + "\n"
        try:
            _write(stream, text)
        except (OSError, ValueError, AttributeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise AttemptError(f"cannot write to the console: {words}", FailureKind.UNREACHABLE) from error
        return "written"

    def close(self) -> None:
        """Nothing to close."""


def _write(stream: TextIO, text: str) -> None:
    """Write past the stream's buffer if it has a file descriptor, so that failed output is not repeated later."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    try:
        file = stream.fileno()
    except (OSError, AttributeError):
        stream.write(data.decode(encoding))
        stream.flush()
        return
    stream.flush()
    ends = time.monotonic() + ATTEMPT_SECONDS
    while data:
        if not select.select([], [file], [], max(ends - time.monotonic(), 0.0))[1]:
            msg = f"the console did not accept output for {ATTEMPT_SECONDS:g} s"
            raise TimeoutError(msg)
        data = data[os.write(file, data[: select.PIPE_BUF]) :]
