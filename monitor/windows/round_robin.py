"""Which streams are served next when a tick has no time for all of them: those that waited longest."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

from monitor.records import Stream

MANY = 200
"""Streams up to which a tick is short, so that nothing is judged before it or meanwhile."""
_IN_TIME = 1000
"""Streams that a tick serves in its seconds; with more of them, all of its other work grows as well."""
MOST_URGENT = 500
"""Streams that may be served before their turn in one tick."""
_URGENT_IN_A_ROW = 3
"""Streams of the second and later urgent groups that are served before one that is not urgent: however slow the machine
is, all are served in the end. A stream that fell silent is not urgent, but its silence is to be noticed.
"""
_OTHERS = -1
_WHATEVER_THE_TIME = 50
"""Streams of the most urgent group that are served although no time is left."""


class RoundRobin:
    """Divides the `seconds` of a tick among streams. Streams that were not served come first in the next tick.

    `unserved` are the streams of this tick that were not served yet.
    A stream that was served is served again only in the first `again` seconds of the tick. With more than
    `_IN_TIME` streams waiting, the tick has more time in proportion, at most `stretch` times the seconds.
    """

    def __init__(
        self,
        seconds: float,
        elapsed: Callable[[], float] = time.monotonic,
        again: float = math.inf,
        stretch: float = 1.0,
    ) -> None:
        self._seconds, self._elapsed, self._again = seconds, elapsed, min(again, seconds)
        self._stretch, self._limit, self._since = stretch, seconds, -math.inf
        self.unserved: set[Stream] = set()
        self._last: dict[int, Stream] = {}
        self._group: dict[Stream, int] = {}

    def start_tick(
        self, streams: Iterable[Stream], urgent: Sequence[Collection[Stream]] = ()
    ) -> list[Stream]:
        """Start a tick. Returns the streams in the order in which to serve them: in each group, starting after the last
        one served.

        `urgent` are groups of streams that come before their turn, at most `MOST_URGENT` streams in all. The first
        group comes before everything else.
        """
        self._since = self._elapsed()
        waiting, self._group = set(streams), {}
        self.unserved = waiting.copy()
        self._limit = self._seconds * max(1.0, min(self._stretch, len(waiting) / _IN_TIME))
        groups: list[list[Stream]] = []
        for number, group in enumerate(urgent):
            mine = waiting.intersection(group) - self._group.keys()
            groups.append(self._in_turn(number, mine)[: MOST_URGENT - len(self._group)])
            self._group |= dict.fromkeys(groups[-1], number)
        others = iter(self._in_turn(_OTHERS, waiting - self._group.keys()))
        order = groups[0] if groups else []
        for place, stream in enumerate((one for group in groups[1:] for one in group), 1):
            order.append(stream)
            if place % _URGENT_IN_A_ROW == 0:
                order += islice(others, 1)
        return [*order, *others]

    def serve(
        self, streams: Iterable[Stream], urgent: Sequence[Collection[Stream]] = (), at_least: int = 1
    ) -> Iterator[Stream]:
        """Start a tick, and yield one stream after the other until its time is used up; `at_least` so many."""
        for place, stream in enumerate(self.start_tick(streams, urgent)):
            if place >= at_least and self.is_time_up():
                return
            yield stream
            self.mark_served([stream])

    def is_time_up(self, *, again: bool = False) -> bool:
        """Whether this tick's time is used up; with `again`, the time to serve a stream once more."""
        return self._elapsed() - self._since >= (self._again if again else self._limit)

    def mark_served(self, streams: Sequence[Stream]) -> None:
        """Record which streams were served, in the order that `start_tick` returned."""
        self.unserved.difference_update(streams)
        for stream in streams:
            self._last[self._group.get(stream, _OTHERS)] = stream

    def _in_turn(self, group: int, streams: Collection[Stream]) -> list[Stream]:
        """Some streams of a group, starting after the one that was served last."""
        ordered, last = sorted(streams), self._last.get(group)
        at = 0 if last is None else bisect_right(ordered, last)
        return ordered[at:] + ordered[:at]


def first_ones(order: Collection[Stream], urgent: Sequence[Collection[Stream]]) -> int:
    """How many streams at the front of an order are to be served whatever the time: those of the first group."""
    return min(_WHATEVER_THE_TIME, len(set(order).intersection(urgent[0]))) if urgent else 0
