"""The stored inputs of a stream, with what production answered and the outcomes known by now."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.columns import names
from monitor.predictions.log.export import batches_with_outcomes
from monitor.predictions.log.hashing import hash_texts
from monitor.records import Stream
from monitor.store.db import Store
from monitor.visible import counted, one_line

MOST = 50_000
"""Items that are replayed. More are sampled evenly, by a hash of their id."""
_GROUPS = ("features", "segments")
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, eq=False)
class StoredItems:
    """`rows` have a distinct id and features, named as in the prediction log. `notes` tell what was left out."""

    rows: pa.Table
    notes: tuple[str, ...]

    def items(self) -> Iterator[dict[str, Any]]:
        """Each item as a candidate reads it: `id`, `timestamp` (seconds), `features`, `segments`."""
        wanted = [name for name in self.rows.column_names if name.partition(".")[0] in _GROUPS]
        part = self.rows.select(["id", "timestamp", *wanted])
        for batch in part.to_batches(max_chunksize=_AT_ONCE):
            for row in batch.to_pylist():
                yield _item(row)

    def lines(self) -> Iterator[bytes]:
        """The items as JSON lines."""
        for item in self.items():
            yield json.dumps(item, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def stored_items(store: Store, stream: Stream, start: float, end: float, most: int = MOST) -> StoredItems:
    """The items of the windows that start in `[start, end)`.

    Raises:
        InputError: there are none, or no features or ids are stored with them.
    """
    kept: list[pa.RecordBatch] = []
    rows = usable = 0
    limit = np.uint64(2**64 - 1)
    for batch in batches_with_outcomes(store, stream, start, end):
        rows += batch.num_rows
        chosen = _replayable(batch)
        usable += chosen.num_rows
        kept.append(_below(chosen, limit))
        if sum(part.num_rows for part in kept) > 2 * most:
            kept, limit = _smallest(kept, most)
    kept, _ = _smallest(kept, most)
    if not rows:
        raise InputError(
            f"no predictions of {stream} are stored for that time", hint="see: watchkeeper status"
        )
    if not sum(part.num_rows for part in kept):
        raise InputError(
            f"none of the {counted(rows, 'stored prediction')} of {stream} can be replayed",
            hint="an item needs an `id` and `features`; see `predictions.sample` for features that are not kept",
        )
    table = _distinct(pa.Table.from_batches([concatenate([part for part in kept if part.num_rows])]))
    return StoredItems(table, tuple(_notes(table, rows, usable)))


def _replayable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that have an id and whose features are stored."""
    there = batch.schema.names
    if "id" not in there or not any(name.startswith("features.") for name in there):
        return batch.slice(0, 0)
    usable = np.asarray(batch.column("id").is_valid())
    if "sampled" in there:
        usable &= np.asarray(batch.column("sampled").fill_null(True))
    return batch.filter(pa.array(usable))


def _hashes(batch: pa.RecordBatch) -> np.ndarray:
    return np.asarray(hash_texts(batch.column("id").cast(pa.string())))


def _below(batch: pa.RecordBatch, limit: np.uint64) -> pa.RecordBatch:
    return batch if not batch.num_rows else batch.filter(pa.array(_hashes(batch) <= limit))


def _smallest(kept: list[pa.RecordBatch], most: int) -> tuple[list[pa.RecordBatch], np.uint64]:
    """The rows with the smallest hashes, `most` of them, and the largest of these: the same in any order."""
    hashes = [_hashes(part) if part.num_rows else np.empty(0, np.uint64) for part in kept]
    every = np.concatenate([np.empty(0, np.uint64), *hashes])
    if every.size <= most:
        return kept, np.uint64(2**64 - 1)
    limit = np.partition(every, most - 1)[most - 1]
    return [part for part in (_below(part, limit) for part in kept) if part.num_rows], limit


def _distinct(rows: pa.Table) -> pa.Table:
    """The first row of each id, without the columns of the log itself."""
    ids = rows.column("id").combine_chunks().cast(pa.string())
    encoded = ids.dictionary_encode()
    _, first = np.unique(np.asarray(encoded.indices), return_index=True)
    kept = rows.take(pa.array(np.sort(first)))
    dropped = {"sampled", "weight"}
    return kept.select([name for name in kept.column_names if name not in dropped])


def _notes(table: pa.Table, rows: int, usable: int) -> Iterator[str]:
    if usable < rows:
        yield f"without id or features, and not replayed: {rows - usable:,} of {counted(rows, 'stored prediction')}"
    if table.num_rows < usable:
        yield f"replayed: {table.num_rows:,} of {counted(usable, 'item')}, a sample by the hash of the id"
    if "version" in table.column_names:
        column = names(table.column("version").combine_chunks())
        counts = Counter({one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist()})
        shown = ", ".join(
            f"{one_line(str(name))} ({n:,})" for name, n in counts.most_common(5) if name is not None
        )
        if shown:
            yield f"production answered with version {shown}"


def _item(row: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": row["id"],
        "timestamp": row["timestamp"] / 1e6,
        "features": {},
        "segments": {},
    }
    for name, value in row.items():
        group, _, rest = name.partition(".")
        if group in _GROUPS and rest and value is not None:
            item[group][rest] = None if isinstance(value, float) and not math.isfinite(value) else value
    return item
