"""The profile of the last N seconds, at a cost that does not grow with N.

Base windows are summed in pairs, pairs of pairs, and so on, aligned to the epoch. A window of n base windows is the sum
of at most 2 log2(n) such blocks, each computed once and stored. A stored sum is deleted when one of its base windows
changes (late rows, outcomes), and computed again when it is needed.

Windows that end together share blocks: the last ones that were decoded are kept while windows of a stream are measured.
Reading computes sums but writes nothing. They are stored later, in a transaction that checks that they are still valid.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence

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


class StoredBlocks:
    """What is stored of the windows of several streams, read in few statements: of some, the statements that
    `Rolling` would need for each.

    Read it after the profile versions of the streams: what changes later is then noticed.
    """

    def __init__(
        self, connection: Connection, base_seconds: int, wanted: Mapping[Stream, Collection[Window]]
    ) -> None:
        self._base = base_seconds
        self._spans = {
            stream: Window(min(window.start for window in windows), max(window.end for window in windows))
            for stream, windows in wanted.items()
            if windows
        }
        profiles.read_starts_ahead(connection, self._spans, base_seconds)
        self._starts = {
            stream: profiles.starts(connection, stream, base_seconds, span.start, span.end)
            for stream, span in self._spans.items()
        }
        self._found: dict[tuple[Stream, Window], StoredProfile | None] = {}
        asked = {
            (stream, block)
            for stream, windows in wanted.items()
            for window in windows
            for block in blocks(window, base_seconds)
        }
        while asked := self._present(asked):
            found = profiles.get_of_some(connection, asked)
            self._found |= {key: found.get(key) for key in asked}
            asked = {(stream, half) for stream, block in asked - found.keys() for half in self._halves(block)}

    def _present(self, asked: Collection[tuple[Stream, Window]]) -> set[tuple[Stream, Window]]:
        """The blocks to read for these: not those that are known, or of which nothing was counted."""
        present = {(stream, least(block, self._starts[stream], self._base)) for stream, block in asked}
        return {(stream, one) for stream, one in present if one is not None} - self._found.keys()

    def _halves(self, block: Window) -> Sequence[Window]:
        return halves(block) if block.seconds > self._base else ()

    def starts(self, stream: Stream, window: Window) -> Sequence[int] | None:
        """The starts of the stored base windows in a span that holds the window; None if it was not read."""
        span = self._spans.get(stream)
        is_read = span is not None and span.start <= window.start and window.end <= span.end
        return self._starts[stream] if is_read else None

    def knows(self, stream: Stream, block: Window) -> bool:
        """Whether the block was read."""
        return (stream, block) in self._found

    def get(self, stream: Stream, block: Window) -> StoredProfile | None:
        """The stored profile of a block that was read; None if it has none."""
        return self._found[stream, block]


class Rolling:
    """Profiles of any time range of a stream's base windows.

    `settled`: base windows that end by this time are closed. Sums that reach beyond it are computed each time and not
    stored. `read` is what was read before of several streams.
    """

    def __init__(
        self, connection: Connection, base_seconds: int, *, settled: float, read: StoredBlocks | None = None
    ) -> None:
        self._read = read
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
        starts = self._starts(stream, window)
        parts = [part for block in blocks(window, self._base) if (part := least(block, starts, self._base))]
        known = {part: self._known(stream, part) for part in parts}  # before any is replaced
        missing = [part for part in parts if known[part] is None]
        stored = self._stored(stream, missing)
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

    def _starts(self, stream: Stream, window: Window) -> Sequence[int]:
        """The starts of the base windows in the window that have a profile. A window shorter than these has none."""
        read = None if self._read is None else self._read.starts(stream, window)
        if read is not None:
            return read[bisect_left(read, window.start) : bisect_right(read, window.end - self._base)]
        return profiles.starts(self._connection, stream, self._base, window.start, window.end)

    def _stored(self, stream: Stream, wanted: Sequence[Window]) -> dict[Window, StoredProfile | None]:
        """The stored profiles of blocks: those that were read before, and others in one statement per dozen."""
        read = self._read
        known = {one: read.get(stream, one) for one in wanted if read and read.knows(stream, one)}
        others = [one for one in wanted if one not in known]
        found = profiles.get_some(self._connection, stream, others)
        return known | {profile.window: profile for profile in found}

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
        parts = [part for half in halves(block) if (part := least(half, starts, self._base))]
        found = self._stored(stream, parts)
        sums = [self._sum(stream, layout, part, starts, found.get(part)) for part in parts]
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


def least(block: Window, starts: Sequence[int], base_seconds: int) -> Window | None:
    """The block, or its only base window that has a profile; None if it has none. `starts` are the starts of the base
    windows with a profile.
    """
    first, end = bisect_left(starts, block.start), bisect_left(starts, block.end)
    if end - first > 1:
        return block
    return Window(starts[first], starts[first] + base_seconds) if end > first else None


def halves(block: Window) -> tuple[Window, Window]:
    """The two halves of a block of several base windows."""
    half = block.start + block.seconds // 2
    return Window(block.start, half), Window(half, block.end)


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
