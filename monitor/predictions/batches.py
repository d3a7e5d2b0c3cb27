"""A batch: rows of one stream and one base window as Arrow columns, its blob, and the hashes of its ids.

Columns of predictions (all nullable; one that never occurs in the batch is absent):
`id` string · `timestamp` int64 µs UTC · `version` dictionary · `prediction` float64 or dictionary ·
`confidence` float64 · `latency_ms` float64 · `error` dictionary (null: answered) · `automated` bool ·
`cost` float64 · `sampled` bool (absent: all; a row that is not sampled has no features) · `weight` float64
(of the features; absent: 1) · `features.<name>` float64, bool, dictionary, string (long texts) or
list<float32> · `segments.<name>` dictionary · `probabilities.<label>` float64.

Columns of outcomes: `id`, `timestamp`, `truth` float64 or dictionary, `reviewed` bool, `corrected` bool,
`feedback` float64, `received` float64 (seconds, when it came in).

The type of a feature may differ between batches: read it through `monitor.predictions.columns.numbers` or `names`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from monitor.predictions.columns import column
from monitor.predictions.hashing import Hashes, derived, hash_texts, mix
from monitor.records import Stream, Window

_ABSENT = {"sampled": True, "weight": 1.0}  # what a missing column means
_MAGIC = b"WKP1"
_HEADER = struct.Struct("<4sQ")
_PLAIN = pa.ipc.IpcWriteOptions()


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one stream and one base window. `ids` holds one 64-bit hash a row."""

    stream: Stream
    window: Window
    rows: pa.RecordBatch
    ids: np.ndarray


def encode(rows: pa.RecordBatch) -> bytes:
    """The rows as one Arrow IPC stream, compressed as a whole with LZ4. Equal rows give equal bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_PLAIN) as writer:
        writer.write_batch(rows)
    plain = sink.getvalue()
    packed: bytes = pa.compress(plain, codec="lz4_raw", asbytes=True)
    return _HEADER.pack(_MAGIC, plain.size) + packed


def decode(blob: bytes) -> pa.RecordBatch:
    """What `encode` was given."""
    magic, size = _HEADER.unpack_from(blob)
    assert magic == _MAGIC, "not a batch of the prediction log"
    plain = pa.decompress(memoryview(blob)[_HEADER.size :], size, codec="lz4_raw")
    with pa.ipc.open_stream(plain) as reader:
        return reader.read_next_batch()


def hashes(rows: pa.RecordBatch) -> Hashes:
    """One hash a row: of its id, or derived from the times of the batch where a row has none."""
    ids = rows.column("id") if "id" in rows.schema.names else None
    if ids is not None and not ids.null_count:
        return hash_texts(ids)
    stand_ins = derived(_times(rows).tobytes(), rows.num_rows)
    return stand_ins if ids is None else np.where(np.asarray(ids.is_null()), stand_ins, hash_texts(ids))


def split(stream: Stream, rows: pa.RecordBatch, base_seconds: int) -> list[Batch]:
    """Cut rows by the base window of their `timestamp`; the order inside a window is kept."""
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
            _compact(rows.slice(start, end - start)),
            ids[start:end],
        )
        for start, end in pairwise(cuts)
    ]


def sampled(rows: pa.RecordBatch, ids: np.ndarray, share: float) -> pa.RecordBatch:
    """Keep the features of `share` of the rows, chosen by the hash of the id, and the weight that makes up for it."""
    if share >= 1.0:
        return rows
    kept = mix(ids) < np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    dropped = pa.array(~kept)
    columns = [
        pc.if_else(dropped, pa.scalar(None, values.type), values) if name.startswith("features.") else values
        for name, values in zip(rows.schema.names, rows.columns, strict=True)
    ]
    columns += [pa.array(kept), pa.array(np.full(len(kept), 1.0 / share))]
    return pa.RecordBatch.from_arrays(columns, names=[*rows.schema.names, "sampled", "weight"])


def concatenate(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Rows of several batches under each other; columns that a part lacks are missing there, kinds are widened."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].schema
    if all(part.schema.equals(first) for part in parts):
        return _one(pa.Table.from_batches(parts))
    parts = _of_like_kinds(parts)
    joined = _one(
        pa.concat_tables(map(pa.Table.from_batches, ([part] for part in parts)), promote_options="default")
    )
    for name, value in _ABSENT.items():
        place = joined.schema.get_field_index(name)
        if place >= 0:
            joined = joined.set_column(place, name, pc.fill_null(joined.column(place), value))
    return joined


def _one(table: pa.Table) -> pa.RecordBatch:
    batches = table.unify_dictionaries().combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _of_like_kinds(parts: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows; a column that has another type in some parts has the widest kind in all of them."""
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for field in part.schema:
            types.setdefault(field.name, set()).add(field.type)
    parts = list(parts)
    for name in (name for name, kinds in types.items() if len(kinds) > 1):
        owners = [place for place, part in enumerate(parts) if name in part.schema.names]
        values = column([value for place in owners for value in parts[place].column(name).to_pylist()])
        for place in owners:
            rows = parts[place].num_rows
            index = parts[place].schema.get_field_index(name)
            parts[place] = parts[place].set_column(index, name, values.slice(0, rows))
            values = values.slice(rows)
    return parts


def _times(rows: pa.RecordBatch) -> np.ndarray:
    return np.asarray(rows.column("timestamp"))


def _window(number: int, seconds: int) -> Window:
    return Window(number * seconds, (number + 1) * seconds)


def _compact(rows: pa.RecordBatch) -> pa.RecordBatch:
    """A slice drags the dictionaries of the whole along: keep only the entries that it uses."""
    columns = [
        values.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(values.type) else values
        for values in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)
