"""Whether a tick gets on: what is frozen or waits for ever uses no CPU, while a busy machine makes it slow."""

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


def cpu_seconds(pid: int | None, thread: int | None = None) -> float:
    """What a process, or one thread of it, has computed since its start; NaN, which equals nothing, if that cannot be
    read.
    """
    where = f"/proc/{pid}" if thread is None else f"/proc/{pid}/task/{thread}"
    try:
        text = Path(f"{where}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.nan


class Throttled:
    """Calls a function at most once in so many seconds."""

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self._seconds, self._function = seconds, function
        self._called_at = time.monotonic()

    def __call__(self) -> None:
        """Call it, if it is time."""
        if time.monotonic() - self._called_at >= self._seconds:
            self._function()
            self._called_at = time.monotonic()


class Progress:
    """The progress of a tick, which one thread runs and others ask about."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self._cpu = self._moved_at = 0.0

    def begin(self) -> None:
        """A tick begins in this thread."""
        self._moved_at, self._cpu = time.monotonic(), 0.0
        self._thread = threading.get_native_id()

    def end(self) -> None:
        """The tick has ended."""
        self._thread = None

    def is_stuck(self, seconds: float) -> bool:
        """Whether a tick is running that was not seen to compute anything for so long."""
        thread = self._thread
        if thread is None:
            return False
        cpu, now = cpu_seconds(os.getpid(), thread), time.monotonic()
        if cpu != self._cpu:
            self._cpu, self._moved_at = cpu, now
        return now - self._moved_at > seconds
