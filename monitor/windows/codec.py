"""Profiles as bytes: a small header and one compressed array of counts.

Counts become integers whose bytes are stored plane by plane (all lowest bytes, then all second bytes, ...). This
compresses to about 300 bytes for a column of 1,000 buckets at 1,000 rows, 1.3 kB at a million rows, and never to more
than the planes themselves. Slices that equal the overall slice (a window with a single version) are stored once.
"""

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import TooLargeError, UnreadableError
from monitor.store.checksums import reading, seal, unseal
from monitor.windows.kernel import confusion_counts, exact_sums
from monitor.windows.kernel.exact_sums import WEIGHT_UNIT
from monitor.windows.layout.layout import Layout, LayoutMismatchError
from monitor.windows.layout.slice_limits import MOST_VALUES, SliceKey, SliceLimits
from monitor.windows.profile import OVERALL, Profile, Slice, empty

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


class _StoredProfile(msgspec.Struct, array_like=True):
    version: int
    layout: str
    slices: list[_StoredSlice]
    same: list[SliceKey]  # slices that equal the whole
    scaled: bool
    planes: int
    length: int
    block: bytes


class _StoredWithCells(_StoredProfile, array_like=True):
    """A profile with features by segment. Profiles without them are stored as before, with the same bytes."""

    cells: bytes = b""
    """Compressed: the names of columns, and for each slice the numbers of its columns with their counts."""


class _StoredWithLimits(_StoredWithCells, array_like=True):
    """A profile that left values of segments out, or has another limit than the usual one."""

    most: int = MOST_VALUES
    left_out: dict[str, int] = {}


class _Sized(msgspec.Struct, array_like=True):
    """A profile of which only the lengths are looked at: an entry of three bytes takes dozens of them as an object."""

    version: int
    layout: str
    slices: msgspec.Raw
    same: msgspec.Raw
    scaled: bool
    planes: int
    length: int
    block: msgspec.Raw
    cells: bytes = b""
    most: int = MOST_VALUES
    left_out: msgspec.Raw = msgspec.Raw(b"\x80")


_PER_BYTE, _PER_BYTE_OF_CELLS = 25, 72
"""Bytes in memory that a byte of slices and of cells may become."""
_MOST_PLANES = 8
_Cells = tuple[list[str], list[dict[int, list[float]]]]


def encode(profile: Profile) -> bytes:
    """Encode a profile as versioned, compressed bytes. Equal profiles give equal bytes."""
    distinct, same = _distinct(profile)
    slices = [piece for _, piece in distinct]
    counts = np.concatenate([piece.counts for piece in slices])
    rounded = np.rint(counts)
    scaled = not np.array_equal(rounded, counts)
    numbers = (counts / WEIGHT_UNIT if scaled else rounded).astype(np.uint64)
    planes = max((int(numbers.max(initial=0)).bit_length() + 7) // 8, 1)
    compressible = b"".join(
        (numbers >> np.uint64(8 * plane)).astype(np.uint8).tobytes() for plane in range(planes)
    )
    tail = b"".join(piece.sums.T.tobytes() + piece.extremes.T.tobytes() for piece in slices)
    raw = compressible + tail
    cells = _packed_cells(slices)
    fields = (
        VERSION,
        profile.layout.id,
        [_storable(key, piece) for key, piece in distinct],
        same,
        scaled,
        planes,
        len(raw),
        _CODEC.compress(raw, asbytes=True),
    )
    stored = _StoredWithCells(*fields, cells) if cells else _StoredProfile(*fields)
    if not profile.limits.is_usual:
        stored = _StoredWithLimits(*fields, cells, profile.limits.most, dict(profile.limits.left_out))
    return seal(msgspec.msgpack.encode(stored, order="deterministic"))


def decode(blob: bytes, layout: Layout) -> Profile:
    """Decode the bytes of `encode`.

    Raises:
        LayoutMismatchError: the profile was counted with another layout.
        UnreadableError: the bytes have a version that this program does not support.
        DamageError: the bytes were changed.
    """
    with reading("a profile"):
        stored = msgspec.msgpack.decode(unseal(blob), type=_StoredWithLimits)
    if stored.version != VERSION:
        raise UnreadableError(
            f"unsupported profile version {stored.version}",
            hint="upgrade Watchkeeper; a newer version wrote it",
        )
    if stored.layout != layout.id:
        raise LayoutMismatchError(f"the profile was counted by layout {stored.layout}, not {layout.id}")
    with reading("a profile"):
        return _profile(stored, layout)


def _profile(stored: _StoredWithLimits, layout: Layout) -> Profile:
    sizes = [layout.core if part.core_only else layout.size for part in stored.slices]
    if not 1 <= stored.planes <= _MOST_PLANES:
        raise ValueError("its counts are not 64-bit integers")
    if stored.length != _length(stored, layout, sizes):  # before as many bytes are allocated
        raise ValueError("its length does not match its counts")
    raw = _CODEC.decompress(stored.block, stored.length, asbytes=True)
    counts = _counts(raw, sum(sizes), stored.planes, scaled=stored.scaled)
    slices: dict[SliceKey, Slice] = {}
    start, offset = 0, sum(sizes) * stored.planes
    cells = _unpacked_cells(stored)
    for part, size, cells_of_part in zip(stored.slices, sizes, cells, strict=True):
        moments = layout.core_moments if part.core_only else layout.moments
        # Copies: a view would keep all of `raw` in memory for as long as the profile.
        sums = np.frombuffer(raw, np.int64, 3 * moments, offset).reshape(3, moments).T.copy()
        extremes = (
            np.frombuffer(raw, np.float64, 2 * moments, offset + 24 * moments).reshape(2, moments).T.copy()
        )
        totals = {name: exact_sums.unpack(*packed) for name, packed in part.totals.items()}
        slices[(part.name, part.value)] = Slice(
            layout,
            part.rows,
            part.weight,
            part.weight_squares,
            counts[start : start + size],
            sums,
            extremes,
            totals,
            confusion_counts.restored(part.tallies),
            cells_of_part,
        )
        start, offset = start + size, offset + 40 * moments
    slices |= {tuple(key): slices[OVERALL] for key in stored.same}  # type: ignore[misc]
    return Profile(layout, dict(sorted(slices.items())), SliceLimits(stored.most, stored.left_out))


def limits_of(blob: bytes) -> SliceLimits:
    """The limits of an encoded profile; nothing is decompressed.

    Raises:
        DamageError: the bytes are no profile.
    """
    with reading("a profile"):
        stored = msgspec.msgpack.decode(unseal(blob), type=_StoredWithLimits)
        return SliceLimits(stored.most, stored.left_out)


def check_size(blob: bytes, layout: Layout, most: int) -> None:
    """Refuse an encoded profile that would take more than `most` bytes in memory; nothing is decompressed.

    Raises:
        TooLargeError: it would.
        DamageError: the bytes are no profile.
    """
    with reading("a profile"):
        sized = msgspec.msgpack.decode(unseal(blob), type=_Sized)
        cells = int.from_bytes(sized.cells[:4], "little")
        entries = sum(len(bytes(one)) for one in (sized.slices, sized.same, sized.left_out))
    size = _PER_BYTE * entries + _PER_BYTE_OF_CELLS * cells
    if size <= most:
        with reading("a profile"):
            slices = msgspec.msgpack.decode(sized.slices, type=list[_StoredSlice])
        size += 8 * sum(layout.core if part.core_only else layout.size for part in slices)
    if size > most:
        raise TooLargeError(f"the profile would take {size:,} bytes")


def _length(stored: _StoredWithCells, layout: Layout, sizes: list[int]) -> int:
    cores = sum(part.core_only for part in stored.slices)
    moments = (len(sizes) - cores) * layout.moments + (cores and cores * layout.core_moments)
    return sum(sizes) * stored.planes + 40 * moments


def _packed_cells(slices: list[Slice]) -> bytes:
    """The coarse counts of features by segment; empty without any."""
    if not any(piece.cells for piece in slices):
        return b""
    columns = sorted({name for piece in slices for name in piece.cells})
    place = {name: number for number, name in enumerate(columns)}
    counts = [
        {
            place[name]: list(map(_short, row.tolist()))
            for name, row in sorted(piece.cells.items())
            if row.any()
        }
        for piece in slices
    ]
    packed = msgspec.msgpack.encode((columns, counts))
    return len(packed).to_bytes(4, "little") + bytes(_CODEC.compress(packed, asbytes=True))


def _short(count: float) -> float:
    return int(count) if count.is_integer() else count


def _unpacked_cells(stored: _StoredWithCells) -> list[dict[str, np.ndarray]]:
    if not stored.cells:
        return [{} for _ in stored.slices]
    length = int.from_bytes(stored.cells[:4], "little")
    packed = _CODEC.decompress(stored.cells[4:], length, asbytes=True)
    columns, counts = msgspec.msgpack.decode(packed, type=_Cells)
    return [{columns[number]: np.array(row, np.float64) for number, row in count.items()} for count in counts]


def _distinct(profile: Profile) -> tuple[list[tuple[SliceKey, Slice]], list[SliceKey]]:
    """The slices that differ from the overall slice, with it in front; and the keys of those that equal it."""
    overall = profile.slices.get(OVERALL) or empty(profile.layout)
    distinct, same = [(OVERALL, overall)], []
    for key, part in sorted(profile.slices.items()):
        if key == OVERALL:
            continue
        if part is overall or _covers(part, overall):
            same.append(key)
        else:
            distinct.append((key, part))
    return distinct, same


def _covers(part: Slice, overall: Slice) -> bool:
    """Whether a slice holds all rows of the window, and all their outcomes."""
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
    totals = {name: exact_sums.pack(total) for name, total in part.totals.items() if total}
    tallies = {name: dict(tally) for name, tally in confusion_counts.compact(part.tallies).items() if tally}
    return _StoredSlice(*key, part.rows, part.weight, part.weight_squares, core_only, totals, tallies)


def _counts(raw: bytes, size: int, planes: int, *, scaled: bool) -> np.ndarray:
    planes_of_bytes = np.frombuffer(raw, np.uint8, size * planes).reshape(planes, size)
    counts = planes_of_bytes[0].astype(np.float64)
    for plane in range(1, planes):  # exact: a count has 53 significant bits at most
        counts += planes_of_bytes[plane] * 256.0**plane
    return np.asarray(counts * WEIGHT_UNIT) if scaled else counts
