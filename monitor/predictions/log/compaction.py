"""Merges the many small batches of a window that single posts leave behind, after they were counted.

A batch of a few rows costs kilobytes; merged, a fraction of that. Nothing is counted again: the merged batch replaces
the others, with their rows in order and their outcomes. Batches of history are not merged: they are identified by their
content, so that loading a file again stores nothing twice.

Batches are merged in a child process, which returns its memory when it ends; the daemon writes the result.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pyarrow as pa

from monitor.childprocess import HERE, Runner
from monitor.config.units import HOUR
from monitor.predictions.log.batch import concatenate, decode, decoded_size, encode
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, profile_versions, scattered_batches, streams
from monitor.store.db import Store
from monitor.store.predictions import INGESTED, NewBatch

MOST_ROWS, MOST_BYTES = 50_000, 32_000_000
"""Maximum rows of a merged batch, and bytes in memory."""
RECENT = 2 * HOUR
OLDER_HOURS = 720
_AT_ONCE = 500
"""Streams that are looked at in one statement."""
_FAULT_LASTS = 7200.0
"""Seconds for which a failed merge is reported as a fault: it is not retried at once."""


@dataclass(frozen=True, slots=True)
class MergedBatch:
    """The batch that replaces the batches `numbers`, with the known outcomes of its rows, if any.

    It is valid while the batches exist with the same outcomes (`outcomes_digest`).
    """

    stream: Stream
    window: Window
    numbers: Sequence[int]
    outcomes_digest: bytes
    received_at: float
    batch: NewBatch
    outcomes: bytes | None


def compact(store: Store, before: float, most: int = 500, runner: Runner = HERE) -> int:
    """Merge the batches of at most `most` windows that ended before `before`. Returns the number of batches saved.

    Each merged batch is written in one transaction, so the function can be interrupted and repeated.
    """
    windows: list[tuple[Stream, Window]] = []
    with store.read() as connection:
        everything = streams.streams(connection)
    for at in range(0, len(everything), _AT_ONCE):
        some, ranges = everything[at : at + _AT_ONCE], ranges_to_merge(before)
        with store.read() as connection:
            for time_range in ranges:
                scattered_batches.read_ahead(connection, some, time_range, before)
            for stream, time_range in product(some, ranges):
                with store.faults.isolate(
                    "batches", f"{stream} from {time_range.start}", lasts=_FAULT_LASTS, in_transaction=True
                ):
                    scattered = scattered_batches.windows(connection, stream, time_range, before)
                    windows += [(stream, window) for window in scattered]
    tasks = {
        f"merge of the batches of {stream} at {window.start}": (stream, window)
        for stream, window in windows[:most]
    }
    results = runner.each(partial(merge_window, store), tasks, before)
    saved = 0
    for name, result in results:
        with store.faults.isolate("batches", name, lasts=_FAULT_LASTS):
            saved += _commit(store, result) if isinstance(result, MergedBatch) else 0
    return saved


def ranges_to_merge(before: float) -> tuple[Window, Window]:
    """The two hours before `before`, and one older hour, which changes every minute.

    Within a day, a month is covered, in which late rows may have arrived, without reading the whole log at once.
    """
    end = int(before)
    ago = RECENT + int(before) // 60 % OLDER_HOURS * HOUR
    return Window(end - RECENT, end), Window(end - ago - HOUR, end - ago)


def merge_window(store: Store, task: tuple[Stream, Window]) -> Iterator[MergedBatch]:
    """The merged batches of a window's settled batches. Writes nothing."""
    stream, window = task
    with store.read() as connection:
        groups = _groups(predictions.settled(connection, stream, window))
    for group in groups:
        with store.read() as connection:
            parts = list(predictions.some(connection, stream, group))
            known_outcomes, digest = (
                outcomes.known(connection, group),
                outcomes.known_digest(connection, group),
            )
            ids = b"".join(predictions.ids(connection, number) for number in group)
        if len(parts) < len(group):  # another process merged them
            continue
        rows = concatenate([decode(part.blob) for part in parts])
        latest = float(np.asarray(rows.column("timestamp")).max()) / 1e6
        new = NewBatch(stream, window, rows.num_rows, latest, os.urandom(INGESTED), ids, encode(rows))
        merged = _merged_outcomes(
            [known_outcomes.get(part.id) for part in parts], [part.rows for part in parts]
        )
        received_at = max(part.received_at for part in parts)
        yield MergedBatch(
            stream, window, group, digest, received_at, new, merged.encode() if merged else None
        )


def _commit(store: Store, merged: MergedBatch) -> int:
    """Write the merged batch, unless its batches changed in the meantime. Returns the number of batches saved."""
    stream = merged.stream
    with store.write() as connection:
        # Concurrent matching of outcomes must start again.
        profile_versions.advance(connection, stream, merged.window.end)
        settled = {number for number, *_ in predictions.settled(connection, stream, merged.window)}
        digest = outcomes.known_digest(connection, merged.numbers)
        if not settled.issuperset(merged.numbers) or digest != merged.outcomes_digest:
            return 0
        number = predictions.replace(connection, stream, merged.numbers, merged.batch, merged.received_at)
        outcomes.forget(connection, merged.numbers)
        if merged.outcomes is not None:
            outcomes.put_known(connection, {number: merged.outcomes})
    return len(merged.numbers) - 1


def _groups(batches: Sequence[tuple[int, int, bytes]]) -> list[list[int]]:
    """The batches (number, rows, first bytes) to merge, in order: at least two per group, within the limits."""
    groups: list[list[int]] = [[]]
    rows = size = 0
    for number, more, head in batches:
        rows, size = rows + more, size + decoded_size(head)
        if rows > MOST_ROWS or size > MOST_BYTES:
            groups.append([])
            rows, size = more, decoded_size(head)
        groups[-1].append(number)
    return [group for group in groups if len(group) > 1]


def _merged_outcomes(known: Sequence[bytes | None], sizes: Sequence[int]) -> KnownOutcomes | None:
    """The known outcomes of several batches, with the row numbers of the merged batch."""
    merged, first = None, 0
    for blob, size in zip(known, sizes, strict=True):
        if blob is not None:
            rows = KnownOutcomes.of(blob).rows
            index = rows.schema.get_field_index("row")
            shifted = pa.array(np.asarray(rows.column("row")) + first, pa.int64())
            more = KnownOutcomes(rows.set_column(index, "row", shifted))
            merged = more if merged is None else merged.plus(more)
        first += size
    return merged
