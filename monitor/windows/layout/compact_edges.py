"""The edges of buckets in a fifth of the memory, without loss.

Most edges of a column of numbers lie between two cells of `monitor.windows.kernel.grid`, so that they are multiples of
half a unit of its moments, and the difference of two edges is a small integer, and most often a multiple of four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from monitor.windows.layout.compact_counts import Kept, PackedCounts, compress

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LARGEST = np.finfo(np.float64).max
_BEYOND = np.array([np.inf, np.nan])
_FEWEST = 64
"""Edges below which nothing is gained."""
_MOST_OTHERS = 0.25
"""Share of the edges of a column that may be stored as they are, or after a large step."""
_MOST_STEPS = 2.0**50
_UNPACKED = 8
"""Layouts whose edges are kept as float64: rows are counted, and windows measured, model by model. With 50 features
they take 350 kB.
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """The search keys of some columns, column by column, shape (n,): the running sums of `steps` times `units`, which
    has one number per column of so many keys (`sizes`). Steps `jumps_at` some places are `jumps`, and keys `at` some
    places are `others`.
    """

    sizes: np.ndarray
    units: np.ndarray
    steps: Kept
    jumps_at: np.ndarray
    jumps: np.ndarray
    at: np.ndarray
    others: Floats

    def unpacked(self) -> Floats:
        """The keys."""
        steps = self.steps.unpacked() if isinstance(self.steps, PackedCounts) else self.steps
        keys = steps.astype(np.int64)
        keys[self.jumps_at] = self.jumps
        np.cumsum(keys, out=keys)
        unpacked = keys.astype(np.float64)
        unpacked *= np.repeat(self.units, self.sizes)
        unpacked[self.at] = self.others
        unpacked.flags.writeable = False
        return unpacked


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Ascending edges, shape (size,). The keys are those of `packed` from `start` on, or `plain`."""

    size: int
    plain: Floats | None
    packed: _Packed | None = None
    start: int = 0

    @property
    def cuts(self) -> Floats:
        """Search keys for sorted values: the lowest number, the edges, infinity and NaN, shape (size + 3,)."""
        if self.plain is not None:
            return self.plain
        assert self.packed is not None
        return _unpacked(self.packed)[self.start : self.start + self.size + 3]


@lru_cache(maxsize=_UNPACKED)
def _unpacked(packed: _Packed) -> Floats:
    return packed.unpacked()


def plain(edges: np.ndarray) -> Edges:
    """Edges as they are."""
    return Edges(len(edges), _keys(edges))


@lru_cache(maxsize=256)
def shared(edges: bytes) -> Edges:
    """Edges that the columns of many models have, from their bytes."""
    return plain(np.frombuffer(edges, np.float64))


def pack(columns: Sequence[tuple[np.ndarray, float]]) -> list[Edges]:
    """The edges of several columns, together. Each has a power of two, the unit that its moments are counted in."""
    keys = [_keys(edges) for edges, _ in columns]
    many = [place for place, (edges, unit) in enumerate(columns) if _may_be_packed(edges, unit)]
    packed_edges = _packed(
        [keys[place] for place in many], np.array([columns[place][1] / 2 for place in many])
    )
    packed = dict(zip(many, packed_edges, strict=True))
    return [packed.get(place) or Edges(len(edges), keys[place]) for place, (edges, _) in enumerate(columns)]


def _keys(edges: np.ndarray) -> Floats:
    keys = np.empty(len(edges) + 3)
    keys[0], keys[1:-2], keys[-2:] = -LARGEST, edges, _BEYOND
    return keys


def _may_be_packed(edges: np.ndarray, unit: float) -> bool:
    if len(edges) < _FEWEST:
        return False
    largest = max(-float(edges[0]), float(edges[-1]))
    return largest < min(_MOST_STEPS * unit / 2, LARGEST / 2)  # a multiple near it may be larger


def _packed(keys: Sequence[Floats], units: np.ndarray) -> list[Edges | None]:
    """Columns packed together; None for those that gain nothing by it."""
    if not keys:
        return []
    sizes, flat = np.array([key.size for key in keys]), np.concatenate(keys)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    flat[starts], flat[ends - 2], flat[ends - 1] = flat[starts + 1], flat[ends - 3], flat[ends - 3]
    multiples = np.rint(flat / np.repeat(units, sizes)).astype(np.int64)
    steps = np.diff(multiples, prepend=0)
    is_jump = (steps < 0) | (steps > np.iinfo(np.uint16).max)
    is_other = (multiples * np.repeat(units, sizes)).view(np.int64) != flat.view(np.int64)  # -0.0 too
    is_kept = np.add.reduceat(is_other | is_jump, starts, dtype=np.int64) <= _MOST_OTHERS * sizes
    if not is_kept.all():
        some = iter(_packed([one for one, kept in zip(keys, is_kept, strict=True) if kept], units[is_kept]))
        return [next(some) if kept else None for kept in is_kept]
    is_other[starts] = is_other[ends - 2] = is_other[ends - 1] = True
    at, jumps_at = (np.flatnonzero(places).astype(np.uint32) for places in (is_other, is_jump))
    small = compress(np.where(is_jump, 0, steps).astype(np.uint16))
    packed = _Packed(sizes, units, small, jumps_at, steps[jumps_at], at, np.concatenate(keys)[at])
    return [Edges(one.size - 3, None, packed, int(start)) for one, start in zip(keys, starts, strict=True)]


NO_EDGES = plain(np.empty(0))
