"""Threads that are restarted when they fail, after a wait that doubles. Each failure is reported as a fault."""

import logging
import threading
import time
from collections.abc import Callable

from monitor.runtime.faults import Faults

log = logging.getLogger(__name__)

PART = "thread"
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Seconds before a failed thread is restarted: the first time, and at most."""
STEADY = 60.0
"""Seconds after which a restarted thread counts as working, so that its next wait is the first one again."""
REPORTED_FOR = 600.0
"""Seconds for which a failed thread is reported."""


class SupervisedThread(threading.Thread):
    """Runs `work` until `stopping` is set, when it must return. If it returns or raises earlier, it is called again.

    Use it as a `threading.Thread`: `start`, `join`, `is_alive`. `work` checks `stopping`, and waits only on events that
    are set together with `stopping`.
    """

    def __init__(
        self, name: str, work: Callable[[], object], stopping: threading.Event, faults: Faults
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._stopping, self._faults = work, stopping, faults

    def run(self) -> None:
        """Called by `threading.Thread`."""
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._work()
                reason: BaseException | str = "it ended unexpectedly"
            except BaseException as error:  # extensions in other languages raise beyond `Exception`
                reason = error
            if self._stopping.is_set():
                if isinstance(reason, BaseException):
                    log.error("%s failed while stopping", self.name, exc_info=reason)
                return
            self._faults.report(PART, self.name, reason, lasts=REPORTED_FOR)
            wait = FIRST_WAIT if time.monotonic() - started >= STEADY else wait
            self._stopping.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
