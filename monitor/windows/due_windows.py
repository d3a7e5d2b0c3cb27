"""Which windows of a stream a tick measures: by the hour, newest first, and only some of the older hours."""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from monitor.config.units import HOUR
from monitor.records import Stream, Window
from monitor.store.streams import StreamFigures
from monitor.windows import closing

RECENT = 2 * HOUR
"""Seconds. Of older base windows (history, very late rows), only the hours are measured."""
OLD_HOURS = 25
"""Maximum number of older hours of a stream that a tick measures: history must not delay current windows."""
MEASURED = int(RECENT) + (OLD_HOURS + 1) * HOUR
"""Seconds before the newest closed window in which closed windows can be measured, by the limits above."""
NEW = 600
"""Seconds after its first record in which a stream's current hour is measured whenever a base window closes: the page
of a new model is being looked at, and its first figures are those of its first seconds."""
_LONGEST_WAIT = 300
"""Seconds after which a window is measured again, however long it is."""
STREAMS, _ON_A_SERVER = 4, 16
"""Streams per transaction: a commit costs a write to disk, and senders of predictions wait for it. A server takes
several writers.
"""


@dataclass(frozen=True, slots=True)
class DueWindows:
    """The windows of a stream to measure: hours with their base windows, newest first, and whether a window closed.

    `until` is the time up to which event time is closed, `edge` the end of the last closed base window. Windows that
    are `queued` are due again in the next tick if they are not measured in this one. `is_new`: see `NEW`.
    """

    stream: Stream
    until: float
    edge: int
    hours: Sequence[tuple[Window, Sequence[Window]]]
    is_moved: bool
    queued: frozenset[Window] = frozenset()
    is_new: bool = False

    @property
    def is_much(self) -> bool:
        """Whether it includes history, which is not measured in one transaction with other streams."""
        return len(self.hours) > 2

    def newest(self, length: int, base_seconds: int) -> Window:
        """The newest window of whole base windows that is at most this long, in seconds."""
        return Window(self.edge - length // base_seconds * base_seconds, self.edge)

    def is_to_measure(self, length: int, base_seconds: int, known: Container[int], closed_until: int) -> bool:
        """Whether the newest window of this length is to be measured; `known` are the lengths that were."""
        is_first = self.is_new or length not in known
        return length >= base_seconds and (
            is_first or is_due_again(length, self.edge, closed_until, base_seconds)
        )


def together(due: Sequence[DueWindows], *, is_embedded: bool = True) -> Iterator[Sequence[DueWindows]]:
    """The streams in groups that share a transaction, in order; streams with history are alone. The database is
    embedded, or a server.
    """
    some, most = list[DueWindows](), STREAMS if is_embedded else _ON_A_SERVER
    for one in due:
        if some and (one.is_much or some[0].is_much or len(some) == most):
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def by_hour(windows: Iterable[Window], now: float) -> list[tuple[Window, Sequence[Window]]]:
    """The windows by hour, newest hour first; only some of the older hours."""
    hours: dict[Window, list[Window]] = {}
    for window in sorted(windows):
        hours.setdefault(closing.window_of(window.start, HOUR), []).append(window)
    newest_first: list[tuple[Window, Sequence[Window]]] = sorted(hours.items(), reverse=True)
    recent = [one for one in newest_first if one[0].end >= now - RECENT]
    return recent + newest_first[len(recent) :][:OLD_HOURS]


def with_first_hour(
    hours: list[tuple[Window, Sequence[Window]]],
    figures: StreamFigures,
    measured: Collection[int],
    now: float,
) -> list[tuple[Window, Sequence[Window]]]:
    """The hours, with the one in which the stream appeared, unless it was `measured` (starts of hours): the first
    figures of a model do not wait until a base window has closed, which may be the first one of its hour.
    """
    first = closing.window_of(min(figures.data_until, now), HOUR)
    is_known = figures.first_received < first.start or first.start in measured
    return hours if is_known or any(hour == first for hour, _ in hours) else [(first, ()), *hours]


def is_due_again(length: int, edge: int, closed_until: int, base_seconds: int) -> bool:
    """Whether a window of so many seconds that ends at `edge` is to be measured again: a twentieth of it is new since
    `closed_until`, or a few minutes have passed.

    Several base windows may close at once, so that no edge falls on the step.
    """
    step = max(base_seconds, min(length // 20, _LONGEST_WAIT) // base_seconds * base_seconds)
    return edge // step > closed_until // step
