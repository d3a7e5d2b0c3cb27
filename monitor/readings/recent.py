"""The last few seconds of each stream: what rules about errors and latency look at, so that a fault is seen at once.

A base window is too long for that: the good minute before a fault would water it down.
"""

from collections import deque
from collections.abc import Callable

from monitor.records import Stream, Window
from monitor.windows.profile import Profile, core_of, merge

_NOT_HISTORY = 120.0
"""Rows of windows that ended longer ago than this are late or history, not what happens now."""


class Recent:
    """Keeps what the last ticks counted of outputs, latency and outcomes, for `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._counted: dict[Stream, deque[tuple[float, Profile]]] = {}

    def add(self, stream: Stream, window: Window, counted: Profile) -> None:
        """Remember what was just counted into a window."""
        now = self._clock()
        if window.end < now - _NOT_HISTORY:
            return
        kept = self._counted.setdefault(stream, deque())
        if kept and kept[-1][1].layout.id != counted.layout.id:
            kept.clear()  # counts of two layouts do not add
        kept.append((now, core_of(counted)))

    def profile(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """What was counted in the last seconds, or None when nothing was."""
        kept = self._counted.get(stream, deque())
        while kept and kept[0][0] <= now - self._seconds:
            kept.popleft()
        if not kept:
            self._counted.pop(stream, None)
            return None
        window = Window(int(now - self._seconds), int(now) + 1)
        return window, merge([counted for _, counted in kept])
