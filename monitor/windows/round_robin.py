"""Which streams are served next when a tick has no time for all of them: those that waited longest."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from monitor.records import Stream

MOST_URGENT = 500
"""Streams that may be served before all others in one tick."""


class RoundRobin:
    """Divides the `seconds` of a tick among streams. Streams that were not served come first in the next tick.

    A stream that was served is served again only in the first `again` seconds of the tick.
    """

    def __init__(
        self, seconds: float, elapsed: Callable[[], float] = time.monotonic, again: float = math.inf
    ) -> None:
        self._seconds, self._elapsed, self._again = seconds, elapsed, min(again, seconds)
        self._since = -math.inf
        self._last: Stream | None = None
        self._first: frozenset[Stream] = frozenset()

    def start_tick(self, streams: Iterable[Stream], urgent: Collection[Stream] = ()) -> list[Stream]:
        """Start a tick. Returns the streams in the order in which to serve them, starting after the last one served.

        `urgent` streams come first, unless there are more than `MOST_URGENT` of them.
        """
        self._since = self._elapsed()
        ordered = sorted(streams)
        if self._last is not None:
            later = [stream for stream in ordered if stream > self._last]
            ordered = later + ordered[: len(ordered) - len(later)]
        self._first = frozenset(urgent) if len(urgent) <= MOST_URGENT else frozenset()
        return sorted(self._first.intersection(ordered)) + [s for s in ordered if s not in self._first]

    def serve(
        self, streams: Iterable[Stream], urgent: Collection[Stream] = (), at_least: int = 1
    ) -> Iterator[Stream]:
        """Start a tick, and yield one stream after the other until its time is used up; `at_least` so many."""
        for place, stream in enumerate(self.start_tick(streams, urgent)):
            if place >= at_least and self.is_time_up():
                return
            yield stream
            self.mark_served([stream])

    def is_time_up(self, *, again: bool = False) -> bool:
        """Whether this tick's time is used up; with `again`, the time to serve a stream once more."""
        return self._elapsed() - self._since >= (self._again if again else self._seconds)

    def mark_served(self, streams: Sequence[Stream]) -> None:
        """Record which streams were served, in the order that `start_tick` returned."""
        regular = [stream for stream in streams if stream not in self._first]
        if regular:
            self._last = regular[-1]
