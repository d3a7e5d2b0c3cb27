"""A daemon's rollback as a process of its own, to be killed.

    python -m tests.support.rollback_process STORE FOLDER KILL_AT NOW KIND

It carries out the order that waits, with an executor that appends a line to `FOLDER/orders`. `KILL_AT` is where it
sends itself SIGKILL: `called` (before the platform takes the order) or `taken` (after it).
"""

import os
import signal
import sys
from pathlib import Path

from monitor.clock import ManualClock
from monitor.rollback.executors.executor import Executor, ExecutorSettings
from monitor.rollback.order import Order
from monitor.store.db import Store
from tests.support.rollback_timeline import Timeline


class Suicidal:
    """Dies where it is told to."""

    seconds = 5.0

    def __init__(self, folder: Path, kill_at: str) -> None:
        self._folder, self._kill_at = folder, kill_at

    def execute(self, order: Order) -> str:
        """Take the order, and die."""
        if self._kill_at == "called":
            os.kill(os.getpid(), signal.SIGKILL)
        with (self._folder / "orders").open("a") as file:
            file.write(f"{order.id}\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    def make(self, _: ExecutorSettings) -> Executor:
        """Itself."""
        return self


def main(url: str, folder: str, kill_at: str, now: str, kind: str) -> None:
    """Carry out what waits."""
    executor = {"kind": "command", "argv": ["x"]} if kind == "command" else {}
    section = {"executor": executor} if executor else {}
    line = Timeline(Store(url), Path(folder), ManualClock(float(now)), **section)
    line.group.worker._make = Suicidal(Path(folder), kill_at).make
    line.group.worker.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
