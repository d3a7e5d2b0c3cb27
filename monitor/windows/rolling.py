"""The profile of the last N seconds, at a cost that does not grow with N.

Base windows are put together in pairs, pairs of pairs, and so on, aligned to the epoch: a window of n base windows
is the sum of at most 2 log2(n) such sums, each made once and kept in the store. A sum is deleted when a base window
in it changes (late rows, outcomes), and is made again when it is next needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import profiles
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

    def __init__(self, connection: Connection, base_seconds: int, *, settled: float, now: float) -> None:
        self._connection = connection
        self._base = base_seconds
        self._settled = settled
        self._now = now

    def profile(self, stream: Stream, window: Window) -> Profile:
        """The counts of all base windows inside `window`; blank where there are none.

        Base windows that were counted by an older layout are left out: they cannot be compared.
        """
        layout = current_layout(self._connection, stream)
        stored = profiles.layouts_inside(self._connection, stream, window, self._base)
        present = {block for block, identity in stored.items() if identity == layout.id}
        trees = [self._tree(block, present) for block in blocks(window, self._base)]
        leaves = [leaf for tree in trees for leaf in _leaves(tree)]
        known = profiles.some(self._connection, stream, leaves)
        found = [self._sum(stream, layout, tree, known) for tree in trees if tree is not None]
        return merge(found) if found else blank(layout)

    def _tree(self, block: Window, present: set[Window]) -> "_Tree | None":
        """What a block is put together from: itself where it is stored, else its halves; None where nothing is."""
        if block in present:
            return _Tree(block)
        if block.seconds == self._base:
            return None
        half = block.start + block.seconds // 2
        halves = (Window(block.start, half), Window(half, block.end))
        parts = tuple(tree for part in halves if (tree := self._tree(part, present)) is not None)
        return _Tree(block, parts) if parts else None

    def _sum(
        self, stream: Stream, layout: Layout, tree: "_Tree", known: Mapping[Window, StoredProfile]
    ) -> Profile:
        if not tree.parts:
            return codec.decode(known[tree.block].blob, layout)
        total = merge([self._sum(stream, layout, part, known) for part in tree.parts])
        if tree.block.end <= self._settled and len(tree.parts) > 1:
            kept = StoredProfile(tree.block, layout.id, total.rows, codec.encode(total))
            profiles.put(self._connection, stream, kept, self._now)
        return total


@dataclass(frozen=True, slots=True)
class _Tree:
    block: Window
    parts: tuple["_Tree", ...] = ()


def _leaves(tree: _Tree | None) -> Iterator[Window]:
    """The stored windows that a sum is put together from."""
    if tree is None:
        return
    if not tree.parts:
        yield tree.block
    for part in tree.parts:
        yield from _leaves(part)


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
