"""Keeps the garbage collector's pauses short: while it traverses all objects, every thread of the process waits.

A daemon with hundreds of streams holds millions of objects while it runs. Python's collector traverses all of them
repeatedly, for a fifth of a second each time. So objects that survive a long collection are moved to the permanent
generation (`gc.freeze`). They are still freed when their last reference goes. Only cycles of such objects would stay,
so once per hour the collector traverses everything.

The objects of a request are new, and are freed a moment later without the collector. With Python's thresholds the
youngest generation would be collected after every few dozen requests: a twentieth of the cost of a request.

The first collection of everything traverses all loaded modules, for a fifth of a second. It is done at the start, so
that it does not fall into the first requests.
"""

import gc
import time
from collections.abc import Callable, Mapping

from monitor.config.units import HOUR

_LONG_SECONDS = 0.02
_ALL_EVERY_SECONDS = HOUR
_THRESHOLDS = (20_000, 20, 10)
"""New objects per collection of the youngest generation, and collections of one generation per one of the next."""


class PauseTimes:
    """A callback of the collector, which freezes the objects that survive a long collection."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = self._all_at = clock()

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Called before and after each collection; `info` has its `generation`."""
        if info["generation"] < 2:
            return
        now = self._clock()
        if phase == "start":
            self._started = now
            if now - self._all_at > _ALL_EVERY_SECONDS:
                self._all_at = now
                gc.unfreeze()
        elif now - self._started > _LONG_SECONDS:
            gc.freeze()


def tune_garbage_collector() -> None:
    """Apply the thresholds and the callback in this process."""
    gc.set_threshold(*_THRESHOLDS)
    gc.callbacks.append(PauseTimes())


def collect_start() -> None:
    """Collect what the start leaves behind. Call it before the first request; what survives is frozen."""
    gc.collect()
