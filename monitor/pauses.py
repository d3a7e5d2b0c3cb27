"""Keeps the garbage collector's pauses short: while it looks at all objects, no thread of the process goes on.

A daemon with hundreds of streams holds millions of objects for as long as it runs. Python's collector goes through
all of them again and again, for a fifth of a second each time, in which every sender waits. So what survives a long
look is set aside (`gc.freeze`); it is still freed when nobody refers to it any more. Only rings of such objects would
stay, so once an hour the collector looks at everything.

What a request is made of counts as new objects, which are gone a moment later without the collector. With Python's
thresholds it would look at the youngest after every few dozen requests: a twentieth of what taking one in costs.
"""

import gc
import time
from collections.abc import Callable, Mapping

_LONG = 0.02
_ALL_EVERY = 3600.0
_THRESHOLDS = (20_000, 20, 10)
"""New objects until the youngest are looked at, and looks at one generation until the next older one is, too."""


class Pauses:
    """A callback of the collector."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = self._all_at = clock()

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Called before and after each look; `info` says at which generation."""
        if info["generation"] < 2:
            return
        now = self._clock()
        if phase == "start":
            self._began = now
            if now - self._all_at > _ALL_EVERY:
                self._all_at = now
                gc.unfreeze()
        elif now - self._began > _LONG:
            gc.freeze()


def keep_pauses_short() -> None:
    """From now on, in this process."""
    gc.set_threshold(*_THRESHOLDS)
    gc.callbacks.append(Pauses())
