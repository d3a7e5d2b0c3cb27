"""64-bit hashes of record ids, by which predictions are found without an index row for each.

A hash only narrows the search: the join compares the ids themselves. Equal texts have equal hashes in every process and
on every machine.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Hashes = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 16_384


def mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that spreads every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_texts(texts: pa.StringArray) -> Hashes:
    """One hash per text, over its UTF-8 bytes, eight at a time, and its length. Null is hashed as the empty text."""
    texts = pc.fill_null(texts, "") if texts.null_count else texts
    parts = [_hash_chunk(texts.slice(start, _CHUNK)) for start in range(0, len(texts), _CHUNK)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def derived(content: bytes, count: int) -> Hashes:
    """Hashes for rows without an id; equal for equal content."""
    seed = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    return mix(steps + np.uint64(seed))


def _hash_chunk(texts: pa.StringArray) -> Hashes:
    count = len(texts)
    _, offset_buffer, data = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + count + 1]
    lengths = np.diff(offsets)
    longest = int(lengths.max())
    widest = -(-longest // 8)
    is_even = longest == int(lengths.min())
    padded = np.zeros((count, widest * 8), np.uint8)
    if widest:
        content = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
        if is_even:
            padded[:, :longest] = content.reshape(count, longest)
        else:
            padded[np.arange(widest * 8) < lengths[:, None]] = content
    columns = padded.view("<u8")
    state: Hashes = lengths.astype(np.uint64) * _GOLDEN
    for index in range(widest):
        mixed = mix(state ^ columns[:, index]) + _GOLDEN
        state = mixed if is_even else np.where(index * 8 < lengths, mixed, state)
    return mix(state)


class KnownIds:
    """64-bit hashes of the ids of accepted rows, in sorted runs of growing length: eight bytes per id."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def repeated(self, keys: Hashes, is_valid: Mask) -> Mask:
        """Mark valid rows whose key an earlier row has, in this call or a previous one; bool, shape (n,).

        The keys of the other valid rows are remembered.
        """
        valid_rows = np.flatnonzero(is_valid)
        candidates = keys[valid_rows]
        _, firsts = np.unique(candidates, return_index=True)
        is_new = np.zeros(candidates.size, bool)
        is_new[firsts] = True
        for run in self._runs:
            position = np.minimum(np.searchsorted(run, candidates), run.size - 1)
            is_new &= run[position] != candidates
        self._add(np.sort(candidates[is_new]))
        repeated = np.zeros(keys.size, bool)
        repeated[valid_rows[~is_new]] = True
        return repeated

    def _add(self, run: Hashes) -> None:
        while self._runs and self._runs[-1].size <= 2 * run.size:
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if run.size:
            self._runs.append(run)
