"""The last few seconds of each stream, in which rules on errors and latency detect faults at once.

A base window is too long for that: the good rows before a fault would dilute it.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from monitor.evaluation.usual_latency import UsualLatency
from monitor.measurement_table import MeasurementTable
from monitor.metrics import LIVE, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.records import Stream, Window
from monitor.store.db import Store
from monitor.windows.baseline import load
from monitor.windows.profile import Profile, core_of, merge
from monitor.windows.round_robin import RoundRobin

_NOT_HISTORY = 120.0
"""Seconds. Rows of windows that ended earlier are late or history, and are ignored."""
_AT_LEAST = 200
"""Streams whose last seconds are measured in each tick, however slow the machine is."""


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

    def streams(self) -> Collection[Stream]:
        """The streams that received rows."""
        return self._counted.keys()

    def forget(self, streams: Iterable[Stream]) -> None:
        """Forget streams that another process counts."""
        for stream in streams:
            self._counted.pop(stream, None)
            self._shown.pop(stream, None)

    def peek(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """What `profile` would return now. The next `profile` does not count it as a look."""
        shown = self._shown.get(stream, -math.inf)
        parts = [part for part in self._counted.get(stream, ()) if not self._is_over(part, shown)]
        return self._merged(parts, now) if parts else None

    def profile(self, stream: Stream, now: float) -> tuple[Window, Profile] | None:
        """The rows of the last seconds; None without any.

        It consists of whole additions: one is included if the larger part of the time since the previous one lies
        within the last seconds. Each is included at least once, however long the tick took, so that a slow tick does
        not lose rows.
        """
        self._looked = elapsed = self._elapsed()
        parts = self._counted.get(stream, deque())
        shown = self._shown.get(stream, -math.inf)
        while parts and self._is_over(parts[0], shown):
            parts.popleft()
        if not parts:
            self._counted.pop(stream, None)
            self._shown.pop(stream, None)
            return None
        self._shown[stream] = elapsed
        return self._merged(parts, now)

    def _is_over(self, part: _AddedCounts, shown: float) -> bool:
        """Whether an addition was included once, and lies for its larger part before the last seconds."""
        return part.at <= shown and (part.since + part.at) / 2 <= self._elapsed() - self._seconds

    def _merged(self, parts: Iterable[_AddedCounts], now: float) -> tuple[Window, Profile]:
        window = Window(int(now - self._seconds), int(now) + 1)
        return window, merge([part.profile for part in parts])


class LastSeconds:
    """Measures the last seconds of streams that received rows, for so many `seconds` of a tick. The rows of streams
    that are left out stay for the next tick.
    """

    def __init__(
        self, store: Store, recent: RecentWindow, metrics: MetricSettings, usual: UsualLatency, seconds: float
    ) -> None:
        self._store, self._recent, self._metrics, self._usual = store, recent, metrics, usual
        self.round_robin = RoundRobin(seconds)

    def measure(
        self, streams: Sequence[Stream], urgent: Sequence[Collection[Stream]], now: float
    ) -> tuple[Mapping[Stream, MeasurementTable], Mapping[Stream, Profile]]:
        """Cheap and urgent metrics by stream, and the profiles that they were computed from."""
        tables: dict[Stream, MeasurementTable] = {}
        profiles: dict[Stream, Profile] = {}
        faults = self._store.faults
        with self._store.read() as connection:
            for stream in self.round_robin.serve(streams, urgent, _AT_LEAST):
                with faults.isolate("streams", f"{stream}: its last seconds", in_transaction=True):
                    if window_and_profile := self._recent.profile(stream, now):
                        profiles[stream] = window_and_profile[1]
                        tables[stream] = self._measure(connection, stream, *window_and_profile, now)
        return tables, profiles

    def peek(
        self, streams: Iterable[Stream], now: float
    ) -> tuple[Mapping[Stream, MeasurementTable], Mapping[Stream, Profile]]:
        """As `measure`, of some streams, whose turn and what the tick measures later stay as they are."""
        tables: dict[Stream, MeasurementTable] = {}
        profiles: dict[Stream, Profile] = {}
        with self._store.read() as connection:
            for stream in streams:
                with self._store.faults.isolate("streams", f"{stream}: triage", in_transaction=True):
                    if window_and_profile := self._recent.peek(stream, now):
                        tables[stream] = self._measure(connection, stream, *window_and_profile, now)
                        profiles[stream] = window_and_profile[1]
        return tables, profiles

    def _measure(
        self, connection: Connection, stream: Stream, window: Window, profile: Profile, now: float
    ) -> MeasurementTable:
        baseline = load(connection, stream)
        usual = self._usual.of(connection, stream, baseline, now)
        return measure(Subject(stream, window, profile, baseline, self._metrics, usual), LIVE)
