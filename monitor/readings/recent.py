"""The last few seconds of each stream: what rules about errors and latency look at, so that a fault is seen at once.

A base window is too long for that: the good minute before a fault would water it down.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from monitor.records import Stream, Window
from monitor.windows.profile import Profile, core_of, merge

_NOT_HISTORY = 120.0
"""Rows of windows that ended longer ago than this are late or history, not what happens now."""


class _Part(NamedTuple):
    """What was counted at `at`: rows that came in since the look before it, which was at `since`."""

    since: float
    at: float
    profile: Profile


class Recent:
    """Keeps what the last ticks counted of outputs, latency and outcomes, for `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._counted: dict[Stream, deque[_Part]] = {}
        self._looked: float | None = None

    def add(self, stream: Stream, window: Window, counted: Profile) -> None:
        """Remember what was just counted into a window."""
        now = self._clock()
        if window.end < now - _NOT_HISTORY:
            return
        kept = self._counted.setdefault(stream, deque())
        if kept and kept[-1].profile.layout.id != counted.layout.id:
            kept.clear()  # counts of two layouts do not add
        since = now if self._looked is None else min(max(self._looked, now - self._seconds), now)
        kept.append(_Part(since, now, core_of(counted)))

    def profile(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """What came in during the last seconds, or None when nothing did.

        It is made of whole looks: one counts where the larger part of the time since the look before it lies within.
        """
        self._looked = now
        kept = self._counted.get(stream, deque())
        while kept and (kept[0].since + kept[0].at) / 2 <= now - self._seconds:
            kept.popleft()
        if not kept:
            self._counted.pop(stream, None)
            return None
        window = Window(int(now - self._seconds), int(now) + 1)
        return window, merge([part.profile for part in kept])
