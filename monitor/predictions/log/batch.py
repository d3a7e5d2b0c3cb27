"""A batch: rows of one stream and one base window as Arrow columns, its blob, and the hashes of its ids.

Columns of predictions (all nullable; one that never occurs in the batch is absent):
`id` string · `timestamp` int64 µs UTC · `version` dictionary · `prediction` float64 or dictionary ·
`confidence` float64 · `latency_ms` float64 · `error` dictionary (null: answered) · `automated` bool ·
`cost` float64 · `sampled` bool (absent: all; a row that is not sampled has no features) · `weight` float64
(of the features; absent: 1) · `features.<name>` float64, bool, dictionary, string (long texts) or
list<float32> · `segments.<name>` dictionary · `probabilities.<label>` float64 · `attributions.<feature>` float64.

Columns of outcomes: `id`, `timestamp`, `truth` float64 or dictionary, `reviewed` bool, `corrected` bool,
`feedback` float64, `received` float64 (seconds, when it came in).

The type of a feature may differ between batches: read it through `monitor.predictions.log.columns.numbers` or `names`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from monitor.predictions.log.arrays import code_counts
from monitor.predictions.log.columns import LABEL, column
from monitor.predictions.log.hashing import Hashes, derived, hash_texts, mix
from monitor.records import Stream, Window
from monitor.store.checksums import is_sealed, reading, seal, unseal, unsealed_head

_ABSENT = {"sampled": True, "weight": 1.0}  # the value that an absent column stands for
_SAMPLED = ("features.", "attributions.")
_MAGIC = b"WKP1"
_HEADER = struct.Struct("<4sQ")
_MAX_RATIO = 255
"""LZ4 never compresses by more than this factor."""
_PLAIN = pa.ipc.IpcWriteOptions()


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one stream and one base window. `ids` holds one 64-bit hash per row."""

    stream: Stream
    window: Window
    rows: pa.RecordBatch
    ids: np.ndarray


def encode(rows: pa.RecordBatch) -> bytes:
    """Encode the rows as one Arrow IPC stream, compressed as a whole with LZ4. Equal rows give equal bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_PLAIN) as writer:
        writer.write_batch(rows)
    plain = sink.getvalue()
    compressed: bytes = pa.compress(plain, codec="lz4_raw", asbytes=True)
    return seal(_HEADER.pack(_MAGIC, plain.size) + compressed)


def decode(blob: bytes) -> pa.RecordBatch:
    """Decode the bytes of `encode`.

    Raises:
        DamageError: the bytes were changed.
    """
    with reading("a batch of rows"):
        content = memoryview(unseal(blob))
        magic, size = _HEADER.unpack_from(content)
        compressed = content[_HEADER.size :]
        if magic != _MAGIC or size > _MAX_RATIO * (len(compressed) + 16):
            raise ValueError("not a batch of the prediction log")
        plain = pa.decompress(compressed, size, codec="lz4_raw")
        with pa.ipc.open_stream(plain) as reader:
            rows = reader.read_next_batch()
        if not is_sealed(blob):
            rows.validate(full=True)  # wrong offsets would read outside of its memory
        return rows


def decoded_size(head: bytes) -> int:
    """The bytes that the rows of an encoded batch take in memory, from its first bytes; 0 if they are damaged."""
    content = unsealed_head(head)
    if len(content) < _HEADER.size:
        return 0
    magic, size = _HEADER.unpack_from(content)
    return int(size) if magic == _MAGIC else 0


def hashes(rows: pa.RecordBatch) -> Hashes:
    """One hash per row: of its id, or derived from the times of the batch for rows without id."""
    ids = rows.column("id") if "id" in rows.schema.names else None
    if ids is not None and not ids.null_count:
        return hash_texts(ids)
    substitutes = derived(_times(rows).tobytes(), rows.num_rows)
    return substitutes if ids is None else np.where(np.asarray(ids.is_null()), substitutes, hash_texts(ids))


def split(stream: Stream, rows: pa.RecordBatch, base_seconds: int) -> list[Batch]:
    """Split rows by the base window of their `timestamp`; the order within a window is kept."""
    if rows.num_rows == 0:
        return []
    ids = hashes(rows)
    numbers = _times(rows) // (base_seconds * 1_000_000)
    if numbers.min() == numbers.max():
        return [Batch(stream, _window(int(numbers[0]), base_seconds), rows, ids)]
    order = np.argsort(numbers, kind="stable")
    rows, ids, numbers = rows.take(pa.array(order)), ids[order], numbers[order]
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return [
        Batch(
            stream,
            _window(int(numbers[start]), base_seconds),
            compacted(rows.slice(start, end - start)),
            ids[start:end],
        )
        for start, end in pairwise(cuts)
    ]


def without_ids(batch: Batch, known: Sequence[bytes]) -> Batch | None:
    """The batch without rows whose id hashes are in `known`; None if no row is left.

    Rows without id are kept: their hash depends only on the times in the batch.
    """
    if not known or "id" not in batch.rows.schema.names:
        return batch
    has_id = np.asarray(batch.rows.column("id").is_valid())
    is_new = ~(
        has_id
        & np.isin(
            batch.ids,
            np.concatenate([np.frombuffer(hashes_of_batch, "<u8") for hashes_of_batch in known]),
            kind="sort",  # the other way of numpy 2.0 overflows for 64-bit hashes
        )
    )
    if is_new.all():
        return batch
    return (
        replace(batch, rows=batch.rows.filter(pa.array(is_new)), ids=batch.ids[is_new])
        if is_new.any()
        else None
    )


def sampled(rows: pa.RecordBatch, ids: np.ndarray, share: float) -> pa.RecordBatch:
    """Keep the features, and their attributions, of `share` of the rows, selected by the hash of the id, and add the
    weight that compensates for it.
    """
    if share >= 1.0:
        return rows
    is_sampled = mix(ids) < np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    dropped = pa.array(~is_sampled)
    columns = [
        pc.if_else(dropped, pa.scalar(None, values.type), values) if name.startswith(_SAMPLED) else values
        for name, values in zip(rows.schema.names, rows.columns, strict=True)
    ]
    columns += [pa.array(is_sampled), pa.array(np.full(len(is_sampled), 1.0 / share))]
    return pa.RecordBatch.from_arrays(columns, names=[*rows.schema.names, "sampled", "weight"])


def concatenate(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Concatenate batches. A column that a part does not have is missing there; types are widened."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].schema
    if all(part.schema.equals(first) for part in parts):
        return _as_one_batch(pa.Table.from_batches(parts))
    parts = _with_equal_types(parts)
    joined = _as_one_batch(
        pa.concat_tables(map(pa.Table.from_batches, ([part] for part in parts)), promote_options="default")
    )
    for name, value in _ABSENT.items():
        index = joined.schema.get_field_index(name)
        if index >= 0:
            joined = joined.set_column(index, name, pc.fill_null(joined.column(index), value))
    return joined


def compacted(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without unused dictionary entries: a slice refers to the dictionaries of the whole batch."""
    columns = [
        values.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(values.type) else values
        for values in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def without_unused_entries(rows: pa.RecordBatch) -> pa.RecordBatch:
    """As `compacted`; labels of which all are used are kept as they are, in their order."""
    columns = [
        values.cast(pa.string()).dictionary_encode() if _may_have_unused_entries(values) else values
        for values in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _may_have_unused_entries(values: pa.Array) -> bool:
    if values.type != LABEL:
        return bool(pa.types.is_dictionary(values.type))
    return len(values.dictionary) > len(values) or not code_counts(values)[:-1].all()


def _as_one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.unify_dictionaries().combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _with_equal_types(parts: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows; a column with different types in the parts gets the widest type in all of them."""
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for field in part.schema:
            types.setdefault(field.name, set()).add(field.type)
    parts = list(parts)
    for name in (name for name, kinds in types.items() if len(kinds) > 1):
        owners = [position for position, part in enumerate(parts) if name in part.schema.names]
        values = column([value for position in owners for value in parts[position].column(name).to_pylist()])
        for position in owners:
            rows = parts[position].num_rows
            index = parts[position].schema.get_field_index(name)
            parts[position] = parts[position].set_column(index, name, values.slice(0, rows))
            values = values.slice(rows)
    return parts


def _times(rows: pa.RecordBatch) -> np.ndarray:
    return np.asarray(rows.column("timestamp"))


def _window(number: int, seconds: int) -> Window:
    return Window(number * seconds, (number + 1) * seconds)
