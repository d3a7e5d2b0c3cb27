"""Finds a few ids in the log by their hashes, batch by batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_FILTER_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows of one batch, and for each the index of the wanted hash that it matches."""

    rows: np.ndarray
    wanted: np.ndarray


class WantedHashes:
    """Hashes to find, in order. `open` marks those that are not found yet."""

    def __init__(self, hashes: np.ndarray, open: np.ndarray) -> None:  # noqa: A002
        self.hashes = hashes
        self.open = open.copy()
        self._sort()

    def among(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a position in `ids` and the index of an open hash that occurs there, by position."""
        candidates = np.flatnonzero(self._filter[(ids & np.uint64(_FILTER_SIZE - 1)).astype(np.intp)])
        first = np.searchsorted(self._sorted, ids[candidates], "left")
        last = np.searchsorted(self._sorted, ids[candidates], "right")
        counts = last - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(candidates, counts), self._order[np.repeat(first, counts) + offsets]

    def close(self, numbers: np.ndarray) -> None:
        """Mark hashes as matched."""
        self.open[numbers] = False
        self._sort()

    def _sort(self) -> None:
        chosen = np.flatnonzero(self.open)
        order = np.argsort(self.hashes[chosen], kind="stable")
        self._order = chosen[order]
        self._sorted = self.hashes[self._order]
        self._filter = np.zeros(_FILTER_SIZE, bool)
        self._filter[(self._sorted & np.uint64(_FILTER_SIZE - 1)).astype(np.intp)] = True


def search(
    wanted: WantedHashes, chunks: Iterable[Sequence[tuple[int, bytes]]], most: int | None = None
) -> tuple[dict[int, Matches], bool]:
    """Find wanted hashes in chunks of batches (number and id hashes each), newest first, until all are found.

    A hash that occurs in several rows is found in the newest batch, at its first row there. At most `most` batches are
    returned. The second value is whether the search is complete.
    """
    matches: dict[int, Matches] = {}
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
            if most is not None and len(matches) >= most:
                return matches, False
            is_owned = owners == owner
            matches[chunk[owner][0]] = _sorted_matches(positions[is_owned] - starts[owner], numbers[is_owned])
        wanted.close(numbers)
    return matches, True


def _sorted_matches(rows: np.ndarray, numbers: np.ndarray) -> Matches:
    order = np.argsort(numbers, kind="stable")
    return Matches(rows[order], numbers[order])
