"""The counts of all places of a layout in a fraction of the memory, without loss.

Those of a baseline stay in memory as long as its stream, and most of them are small integers: in the smallest type they
take two bytes each, compressed a quarter of one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

_CODEC = pa.Codec("zstd", compression_level=1)
_FEWEST = 4096
"""Counts below which nothing is gained."""
_WORTH = 0.75
"""Share of the bytes that packing must take at most."""
_UNPACKED = 8
"""Baselines whose counts are kept as they are: windows are measured model by model. With 50 features they take 700 kB.
"""


@dataclass(frozen=True, slots=True, eq=False)
class PackedCounts:
    """Counts of so many places (`size`) as compressed integers of a type: all lowest bytes, then all second ones."""

    size: int
    dtype: np.dtype[np.unsignedinteger]
    block: bytes

    def unpacked(self) -> np.ndarray:
        """The counts, as integers."""
        width = self.dtype.itemsize
        planes = _CODEC.decompress(self.block, self.size * width, asbytes=True)
        lowest, *higher = np.frombuffer(planes, np.uint8).reshape(width, self.size)
        counts = lowest.astype(self.dtype)
        for place, plane in enumerate(higher, 1):
            counts |= plane.astype(self.dtype) << self.dtype.type(8 * place)
        counts.flags.writeable = False
        return counts


Kept = np.ndarray | PackedCounts
"""Counts of places, packed if they are kept for long."""


def plain(kept: Kept) -> np.ndarray:
    """The counts as an array. Those that are packed must not be changed."""
    return kept if isinstance(kept, np.ndarray) else _unpacked(kept)


@lru_cache(maxsize=_UNPACKED)
def _unpacked(packed: PackedCounts) -> np.ndarray:
    return packed.unpacked()


def narrow(counts: np.ndarray) -> np.ndarray:
    """Counts in the smallest type of integers that holds them; as they are if there is none."""
    if counts.min(initial=0.0) < 0 or np.signbit(counts).any():
        return counts
    integers = counts.astype(np.min_scalar_type(int(counts.max(initial=0.0))))
    return integers if np.array_equal(integers, counts) else counts


def pack(counts: np.ndarray) -> Kept:
    """Counts in the least memory: packed, narrow if that gains nothing, or as they are."""
    return compress(narrow(counts))


def compress(integers: np.ndarray) -> Kept:
    """Unsigned integers, packed if they are many and that gains something; anything else as it is."""
    if integers.size < _FEWEST or integers.dtype.kind != "u":
        return integers
    shifts = range(0, 8 * integers.itemsize, 8)
    planes = b"".join((integers >> shift).astype(np.uint8).tobytes() for shift in shifts)
    block = _CODEC.compress(planes, asbytes=True)
    is_smaller = len(block) < _WORTH * integers.nbytes
    return PackedCounts(integers.size, integers.dtype, block) if is_smaller else integers
