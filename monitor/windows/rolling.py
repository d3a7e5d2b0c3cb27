"""The profile of the last N seconds, at a cost that does not grow with N.

Base windows are put together in pairs, pairs of pairs, and so on, aligned to the epoch: a window of n base windows
is the sum of at most 2 log2(n) such sums, each made once and kept in the store. A sum is deleted when a base window
in it changes (late rows, outcomes), and is made again when it is next needed.

Reading makes sums, and writes nothing: they are put down later, in a transaction that knows that they still hold.
"""

from bisect import bisect_left
from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import history, profiles
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.baseline import load
from monitor.windows.describe import BARE
from monitor.windows.layout import Layout
from monitor.windows.profile import Profile, blank, merge


class Rolling:
    """Profiles of any stretch of base windows of a stream. `settled` is up to when base windows are closed: sums
    that reach beyond it are made anew each time, and not kept.
    """

    def __init__(self, connection: Connection, base_seconds: int, *, settled: float) -> None:
        self._connection = connection
        self._base = base_seconds
        self._settled = settled
        self._made: dict[tuple[Stream, Window], Profile] = {}
        self._extents: dict[Stream, Window | None] = {}

    def profile(self, stream: Stream, window: Window) -> Profile:
        """The counts of all base windows inside `window`, and of all history that was profiled where it lies; blank
        where there are none.

        What was counted by an older layout is left out: it cannot be compared.
        """
        layout = current_layout(self._connection, stream)
        starts = profiles.starts(self._connection, stream, self._base, window.start, window.end)
        parts = [part for block in blocks(window, self._base) if (part := self._least(block, starts))]
        unmade = [part for part in parts if (stream, part) not in self._made]
        stored = {one.window: one for one in profiles.get_some(self._connection, stream, unmade)}
        found = [self._sum(stream, layout, part, starts, stored.get(part)) for part in parts]
        present = [part for part in found if part is not None] + self._history(stream, window, layout)
        return merge(present) if present else blank(layout)

    def _history(self, stream: Stream, window: Window, layout: Layout) -> list[Profile]:
        if stream not in self._extents:
            self._extents[stream] = history.extent(self._connection, stream)
        extent = self._extents[stream]
        if extent is None or extent.start >= window.end or extent.end <= window.start:
            return []
        stored = history.inside(self._connection, stream, window.start, window.end, layout.id)
        return [codec.decode(one.blob, layout) for one in stored]

    def _least(self, block: Window, starts: Sequence[int]) -> Window | None:
        """The block, or the one base window in it that has a profile; None where none has.

        `starts` says which base windows have one.
        """
        first, end = bisect_left(starts, block.start), bisect_left(starts, block.end)
        if end - first > 1:
            return block
        return Window(starts[first], starts[first] + self._base) if end > first else None

    def _sum(
        self,
        stream: Stream,
        layout: Layout,
        block: Window,
        starts: Sequence[int],
        stored: StoredProfile | None,
    ) -> Profile | None:
        """The counts of a block: made before, as they are stored, or else from its halves; None where nothing is."""
        if (stream, block) in self._made:
            return self._made[stream, block]
        if stored is not None and stored.layout == layout.id:
            return codec.decode(stored.blob, layout)
        if block.seconds == self._base:
            return None
        half = block.start + block.seconds // 2
        halves = (self._least(part, starts) for part in (Window(block.start, half), Window(half, block.end)))
        found = [
            self._sum(stream, layout, part, starts, profiles.get(self._connection, stream, part))
            for part in halves
            if part is not None
        ]
        present = [part for part in found if part is not None]
        if len(present) > 1:
            total = merge(present)
            if block.end <= self._settled:
                self._made[stream, block] = total
            return total
        return present[0] if present else None

    def sums(self) -> list[tuple[Stream, StoredProfile]]:
        """The sums that were made and are worth keeping, as the store takes them."""
        return [
            (stream, StoredProfile(block, total.layout.id, total.rows, codec.encode(total)))
            for (stream, block), total in self._made.items()
        ]


def blocks(window: Window, base_seconds: int) -> list[Window]:
    """The fewest aligned blocks of 1, 2, 4, ... base windows that fill a window, in order."""
    found = []
    at, end = window.start // base_seconds, window.end // base_seconds
    while at < end:
        length = at & -at if at else 1 << end.bit_length()
        while at + length > end:
            length //= 2
        found.append(Window(at * base_seconds, (at + length) * base_seconds))
        at += length
    return found


def current_layout(connection: Connection, stream: Stream) -> Layout:
    """The layout that a stream's rows are counted by: its baseline's, or the bare one."""
    baseline = load(connection, stream)
    return BARE if baseline is None else baseline.layout
