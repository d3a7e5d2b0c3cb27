"""The terminal: what is told elsewhere, readable where the daemon runs."""

import sys
from typing import TextIO

from monitor.alerts.notification import Notification
from monitor.notify.channel import PAGES, Rate
from monitor.notify.text import lines


class Console:
    """Writes to standard error, which keeps standard output for data."""

    name = "console"
    rate: Rate | None = None
    actions = PAGES

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, notification: Notification) -> str:
        """Write it."""
        stream = self._stream or sys.stderr
        stream.write("\n".join(lines(notification)) + "\n")
        stream.flush()
        return "written"

    def close(self) -> None:
        """Nothing to give back."""
