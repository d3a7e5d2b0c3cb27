"""The last few seconds of each stream: what rules about errors and latency look at, so that a fault is seen at once.

A base window is too long for that: the good minute before a fault would water it down.
"""

import math
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


class RecentWindow:
    """Keeps what the last ticks counted of outputs, latency and outcomes, for `seconds`."""

    def __init__(
        self, seconds: float, clock: Callable[[], float], elapsed: Callable[[], float] | None = None
    ) -> None:
        self._seconds = seconds
        self._clock, self._elapsed = clock, elapsed or clock
        self._counted: dict[Stream, deque[_Part]] = {}
        self._looked: float | None = None
        self._shown: dict[Stream, float] = {}

    def add(self, stream: Stream, window: Window, counted: Profile) -> None:
        """Remember what was just counted into a window."""
        if window.end < self._clock() - _NOT_HISTORY:
            return
        now = self._elapsed()
        kept = self._counted.setdefault(stream, deque())
        if kept and kept[-1].profile.layout.id != counted.layout.id:
            kept.clear()  # counts of two layouts do not add
        since = now if self._looked is None else min(max(self._looked, now - self._seconds), now)
        kept.append(_Part(since, now, core_of(counted)))

    def profile(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """What came in during the last seconds, or None when nothing did.

        It is made of whole looks: one counts where the larger part of the time since the look before it lies within.
        Each counts once at least, however long the tick took since: a slow tick must not lose what it counted.
        """
        self._looked = elapsed = self._elapsed()
        kept = self._counted.get(stream, deque())
        shown = self._shown.get(stream, -math.inf)
        while kept and kept[0].at <= shown and (kept[0].since + kept[0].at) / 2 <= elapsed - self._seconds:
            kept.popleft()
        if not kept:
            self._counted.pop(stream, None)
            self._shown.pop(stream, None)
            return None
        self._shown[stream] = elapsed
        window = Window(int(now - self._seconds), int(now) + 1)
        return window, merge([part.profile for part in kept])
