"""Finding a few ids among the many of the log: by their hashes, batch after batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_SIEVE = 1 << 20


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows of one batch, and for each the number of the wanted hash that it has."""

    rows: np.ndarray
    wanted: np.ndarray


class Wanted:
    """Hashes that are looked for, in order; `open` marks the ones that are not found yet."""

    def __init__(self, hashes: np.ndarray, open: np.ndarray) -> None:  # noqa: A002
        self.hashes = hashes
        self.open = open.copy()
        self._sort()

    def among(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a position in `ids` and the number of an open hash that stands there, by position."""
        near = np.flatnonzero(self._sieve[(ids & np.uint64(_SIEVE - 1)).astype(np.intp)])
        first = np.searchsorted(self._sorted, ids[near], "left")
        last = np.searchsorted(self._sorted, ids[near], "right")
        counts = last - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(near, counts), self._order[np.repeat(first, counts) + offsets]

    def close(self, numbers: np.ndarray) -> None:
        """Look for these no longer."""
        self.open[numbers] = False
        self._sort()

    def _sort(self) -> None:
        chosen = np.flatnonzero(self.open)
        order = np.argsort(self.hashes[chosen], kind="stable")
        self._order = chosen[order]
        self._sorted = self.hashes[self._order]
        self._sieve = np.zeros(_SIEVE, bool)
        self._sieve[(self._sorted & np.uint64(_SIEVE - 1)).astype(np.intp)] = True


def search(
    wanted: Wanted, chunks: Iterable[Sequence[tuple[int, bytes]]], most: int | None = None
) -> tuple[dict[int, Hits], bool]:
    """Find wanted hashes in chunks of batches (number and id hashes each), newest first, until all are found.

    A hash that stands in several rows is found in the newest batch, at its first row there. With `most`, no more than
    so many batches are returned; the answer also says whether that was all there is to find.
    """
    found: dict[int, Hits] = {}
    for chunk in chunks:
        if not wanted.open.any() or not chunk:
            break
        sizes = [len(ids) // 8 for _, ids in chunk]
        positions, numbers = wanted.among(np.concatenate([np.frombuffer(ids, "<u8") for _, ids in chunk]))
        if not len(positions):
            continue
        _, first = np.unique(numbers, return_index=True)
        first.sort()
        positions, numbers = positions[first], numbers[first]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        owners = np.searchsorted(starts, positions, "right") - 1
        for owner in np.unique(owners):
            if most is not None and len(found) >= most:
                return found, False
            mine = owners == owner
            found[chunk[owner][0]] = _in_order(positions[mine] - starts[owner], numbers[mine])
        wanted.close(numbers)
    return found, True


def _in_order(rows: np.ndarray, numbers: np.ndarray) -> Hits:
    order = np.argsort(numbers, kind="stable")
    return Hits(rows[order], numbers[order])
