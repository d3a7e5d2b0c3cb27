"""The last few seconds of each stream, in which rules on errors and latency detect faults at once.

A base window is too long for that: the good rows before a fault would dilute it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from monitor.records import Stream, Window
from monitor.windows.profile import Profile, core_of, merge

_NOT_HISTORY = 120.0
"""Seconds. Rows of windows that ended earlier are late or history, and are ignored."""


class _AddedCounts(NamedTuple):
    """Counts that were added at `at`: the rows that arrived since the previous addition at `since`."""

    since: float
    at: float
    profile: Profile


class RecentWindow:
    """Keeps the counts of outputs, latency and outcomes of the last `seconds`."""

    def __init__(
        self, seconds: float, clock: Callable[[], float], elapsed: Callable[[], float] | None = None
    ) -> None:
        self._seconds = seconds
        self._clock, self._elapsed = clock, elapsed or clock
        self._counted: dict[Stream, deque[_AddedCounts]] = {}
        self._looked: float | None = None
        self._shown: dict[Stream, float] = {}

    def add(self, stream: Stream, window: Window, counted: Profile) -> None:
        """Add newly counted rows of a window."""
        if window.end < self._clock() - _NOT_HISTORY:
            return
        now = self._elapsed()
        parts = self._counted.setdefault(stream, deque())
        if parts and parts[-1].profile.layout.id != counted.layout.id:
            parts.clear()  # counts of two layouts do not add
        since = now if self._looked is None else min(max(self._looked, now - self._seconds), now)
        parts.append(_AddedCounts(since, now, core_of(counted)))

    def forget(self, streams: Iterable[Stream]) -> None:
        """Forget streams that another process counts."""
        for stream in streams:
            self._counted.pop(stream, None)
            self._shown.pop(stream, None)

    def profile(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """The rows of the last seconds; None without any.

        It consists of whole additions: one is included if the larger part of the time since the previous one lies
        within the last seconds. Each is included at least once, however long the tick took, so that a slow tick does
        not lose rows.
        """
        self._looked = elapsed = self._elapsed()
        parts = self._counted.get(stream, deque())
        shown = self._shown.get(stream, -math.inf)
        while (
            parts and parts[0].at <= shown and (parts[0].since + parts[0].at) / 2 <= elapsed - self._seconds
        ):
            parts.popleft()
        if not parts:
            self._counted.pop(stream, None)
            self._shown.pop(stream, None)
            return None
        self._shown[stream] = elapsed
        window = Window(int(now - self._seconds), int(now) + 1)
        return window, merge([part.profile for part in parts])
