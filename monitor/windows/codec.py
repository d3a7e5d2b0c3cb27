"""A profile as bytes: a small header, and one compressed block of numbers.

Counts become whole numbers whose bytes are laid out plane by plane (all lowest bytes, then all second bytes, ...),
which compresses to about 300 bytes for a column of 1,000 buckets at 1,000 rows, 1.3 kB at a million, and never more
than the planes themselves. A slice that equals the whole (a single version) is stored once.
"""

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import StoreError
from monitor.windows import exact
from monitor.windows.layout import Layout, LayoutMismatchError
from monitor.windows.moments import WEIGHT_UNIT
from monitor.windows.profile import OVERALL, Profile, Slice, SliceKey, empty

VERSION = 1
_CODEC = pa.Codec("zstd", compression_level=1)


class _StoredSlice(msgspec.Struct, array_like=True):
    name: str
    value: str
    rows: int
    weight: float
    weight_squares: float
    core_only: bool
    totals: dict[str, tuple[int, bytes]]
    tallies: dict[str, dict[str, float]]


class _Stored(msgspec.Struct, array_like=True):
    version: int
    layout: str
    slices: list[_StoredSlice]
    same: list[SliceKey]  # slices that equal the whole
    scaled: bool
    planes: int
    length: int
    block: bytes


def encode(profile: Profile) -> bytes:
    """Compact bytes, versioned; equal profiles give equal bytes."""
    kept, same = _distinct(profile)
    parts = [part for _, part in kept]
    counts = np.concatenate([part.counts for part in parts])
    whole = np.rint(counts)
    scaled = not np.array_equal(whole, counts)
    numbers = (counts / WEIGHT_UNIT if scaled else whole).astype(np.uint64)
    planes = max((int(numbers.max(initial=0)).bit_length() + 7) // 8, 1)
    block = b"".join((numbers >> np.uint64(8 * plane)).astype(np.uint8).tobytes() for plane in range(planes))
    tail = b"".join(part.sums.T.tobytes() + part.extremes.T.tobytes() for part in parts)
    raw = block + tail
    stored = _Stored(
        VERSION,
        profile.layout.id,
        [_storable(key, part) for key, part in kept],
        same,
        scaled,
        planes,
        len(raw),
        _CODEC.compress(raw, asbytes=True),
    )
    return msgspec.msgpack.encode(stored, order="deterministic")


def decode(blob: bytes, layout: Layout) -> Profile:
    """What `encode` was given.

    Raises:
        LayoutMismatchError: the profile was counted by another layout.
        StoreError: the bytes are of a version that this program does not know.
    """
    stored = msgspec.msgpack.decode(blob, type=_Stored)
    if stored.version != VERSION:
        raise StoreError(
            f"a profile of version {stored.version} cannot be read", hint="was it written by a newer one?"
        )
    if stored.layout != layout.id:
        raise LayoutMismatchError(f"the profile was counted by layout {stored.layout}, not {layout.id}")
    raw = _CODEC.decompress(stored.block, stored.length, asbytes=True)
    sizes = [layout.core if part.core_only else layout.size for part in stored.slices]
    counts = _counts(raw, sum(sizes), stored.planes, scaled=stored.scaled)
    slices: dict[SliceKey, Slice] = {}
    place, at = 0, sum(sizes) * stored.planes
    for part, size in zip(stored.slices, sizes, strict=True):
        moments = layout.core_moments if part.core_only else layout.moments
        # Copies: a view would keep all of `raw` in memory for as long as the profile.
        sums = np.frombuffer(raw, np.int64, 3 * moments, at).reshape(3, moments).T.copy()
        extremes = np.frombuffer(raw, np.float64, 2 * moments, at + 24 * moments).reshape(2, moments).T.copy()
        totals = {name: exact.unpack(*packed) for name, packed in part.totals.items()}
        slices[(part.name, part.value)] = Slice(
            layout,
            part.rows,
            part.weight,
            part.weight_squares,
            counts[place : place + size],
            sums,
            extremes,
            totals,
            part.tallies,
        )
        place, at = place + size, at + 40 * moments
    slices |= {tuple(key): slices[OVERALL] for key in stored.same}  # type: ignore[misc]
    return Profile(layout, dict(sorted(slices.items())))


def _distinct(profile: Profile) -> tuple[list[tuple[SliceKey, Slice]], list[SliceKey]]:
    overall = profile.slices.get(OVERALL) or empty(profile.layout)
    kept, same = [(OVERALL, overall)], []
    for key, part in sorted(profile.slices.items()):
        if key == OVERALL:
            continue
        if part is overall or _covers(part, overall):
            same.append(key)
        else:
            kept.append((key, part))
    return kept, same


def _covers(part: Slice, overall: Slice) -> bool:
    """Does a version's slice hold all rows of the window (and all their outcomes)?"""
    return (
        part.kept.size == overall.kept.size
        and part.rows == overall.rows
        and np.array_equal(part.counts, overall.counts)
        and np.array_equal(part.sums, overall.sums)
        and dict(part.totals) == dict(overall.totals)
        and dict(part.tallies) == dict(overall.tallies)
    )


def _storable(key: SliceKey, part: Slice) -> _StoredSlice:
    core_only = part.kept.size != part.layout.size
    totals = {name: exact.pack(total) for name, total in part.totals.items() if total}
    tallies = {name: dict(tally) for name, tally in part.tallies.items() if tally}
    return _StoredSlice(*key, part.rows, part.weight, part.weight_squares, core_only, totals, tallies)


def _counts(raw: bytes, size: int, planes: int, *, scaled: bool) -> np.ndarray:
    bytes_of = np.frombuffer(raw, np.uint8, size * planes).reshape(planes, size)
    counts = bytes_of[0].astype(np.float64)
    for plane in range(1, planes):  # exact: a count has 53 significant bits at most
        counts += bytes_of[plane] * 256.0**plane
    return np.asarray(counts * WEIGHT_UNIT) if scaled else counts
