"""The profile of the last N seconds, at a cost that does not grow with N.

Base windows are summed in pairs, pairs of pairs, and so on, aligned to the epoch. A window of n base windows is the sum
of at most 2 log2(n) such blocks, each computed once and stored. A stored sum is deleted when one of its base windows
changes (late rows, outcomes), and computed again when it is needed.

Windows that end together share blocks: the last ones that were decoded are kept while windows of a stream are measured.
Reading computes sums but writes nothing. They are stored later, in a transaction that checks that they are still valid.
"""

from bisect import bisect_left
from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import lake_profiles, profiles
from monitor.store.db import faults_of
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.baseline import load
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, blank, merge

_DECODED = 16
"""Stored blocks that are kept decoded: those of an hour and a few more. With 50 features they take 6 MB."""


class Rolling:
    """Profiles of any time range of a stream's base windows.

    `settled`: base windows that end by this time are closed. Sums that reach beyond it are computed each time and not
    stored.
    """

    def __init__(self, connection: Connection, base_seconds: int, *, settled: float) -> None:
        self._connection = connection
        self._base = base_seconds
        self._settled = settled
        self._sums: dict[tuple[Stream, Window], Profile] = {}
        self._decoded: dict[tuple[Stream, Window], Profile] = {}
        self._extents: dict[Stream, Window | None] = {}
        self._layouts: dict[Stream, Layout] = {}

    def profile(self, stream: Stream, window: Window) -> Profile:
        """The sum of all base windows within `window` and of all profiles from the lake; a blank profile if there are
        none.

        Profiles of an older layout are ignored, because they are not comparable.
        """
        layout = self._layout(stream)
        starts = profiles.starts(self._connection, stream, self._base, window.start, window.end)
        parts = [part for block in blocks(window, self._base) if (part := self._least(block, starts))]
        known = {part: self._known(stream, part) for part in parts}  # before any is replaced
        missing = [part for part in parts if known[part] is None]
        stored = {profile.window: profile for profile in profiles.get_some(self._connection, stream, missing)}
        sums = [known[part] or self._sum(stream, layout, part, starts, stored.get(part)) for part in parts]
        present = [part for part in sums if part is not None] + self._history(stream, window, layout)
        return merge(present) if present else blank(layout)

    def _layout(self, stream: Stream) -> Layout:
        if stream not in self._layouts:
            self._layouts[stream] = current_layout(self._connection, stream)
        return self._layouts[stream]

    def _history(self, stream: Stream, window: Window, layout: Layout) -> list[Profile]:
        if stream not in self._extents:
            self._extents[stream] = lake_profiles.extent(self._connection, stream)
        extent = self._extents[stream]
        if extent is None or extent.start >= window.end or extent.end <= window.start:
            return []
        stored = lake_profiles.inside(self._connection, stream, window.start, window.end, layout.id)
        decoded: list[Profile] = []
        for profile in stored:
            with faults_of(self._connection).isolate(
                "profiles", f"{stream} from {profile.window.start}", in_transaction=True
            ):
                decoded.append(codec.decode(profile.blob, layout))
        return decoded

    def _least(self, block: Window, starts: Sequence[int]) -> Window | None:
        """The block, or its only base window that has a profile; None if it has none. `starts` are the starts of the
        base windows with a profile.
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
        """The counts of a block: from memory, from the store, or summed from its halves; None if it has none."""
        known = self._known(stream, block)
        if known is not None:
            return known
        if stored is not None and stored.layout == layout.id:
            with faults_of(self._connection).isolate("profiles", f"{stream} {block.start} {block.seconds}"):
                return self._keep(stream, block, codec.decode(stored.blob, layout))
        if block.seconds == self._base:
            return None
        half = block.start + block.seconds // 2
        halves = (self._least(part, starts) for part in (Window(block.start, half), Window(half, block.end)))
        sums = [
            self._sum(stream, layout, part, starts, profiles.get(self._connection, stream, part))
            for part in halves
            if part is not None
        ]
        present = [part for part in sums if part is not None]
        if len(present) > 1:
            total = merge(present)
            if block.end <= self._settled:
                self._sums[stream, block] = total
            return total
        return present[0] if present else None

    def _known(self, stream: Stream, block: Window) -> Profile | None:
        """The counts of a block that was read or summed before."""
        return self._sums.get((stream, block)) or self._decoded.get((stream, block))

    def _keep(self, stream: Stream, block: Window, decoded: Profile) -> Profile:
        """Keep a decoded block, instead of the one that was decoded first."""
        while len(self._decoded) >= _DECODED:
            del self._decoded[next(iter(self._decoded))]
        self._decoded[stream, block] = decoded
        return decoded

    def sums(self) -> list[tuple[Stream, StoredProfile]]:
        """The sums that were computed and are worth storing."""
        return [
            (stream, StoredProfile(block, total.layout.id, total.rows, codec.encode(total)))
            for (stream, block), total in self._sums.items()
        ]


def blocks(window: Window, base_seconds: int) -> list[Window]:
    """The fewest aligned blocks of 1, 2, 4, ... base windows that fill a window, sorted."""
    filled = []
    start, end = window.start // base_seconds, window.end // base_seconds
    while start < end:
        length = start & -start if start else 1 << end.bit_length()
        while start + length > end:
            length //= 2
        filled.append(Window(start * base_seconds, (start + length) * base_seconds))
        start += length
    return filled


def current_layout(connection: Connection, stream: Stream) -> Layout:
    """The layout that a stream's rows are counted with: that of its baseline, or the layout for streams without
    baseline.
    """
    baseline = load(connection, stream)
    return BARE if baseline is None else baseline.layout
