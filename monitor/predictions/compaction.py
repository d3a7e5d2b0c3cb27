"""Many small batches of one window into one: what single posts leave behind, put together once it was counted.

A batch of a few rows costs kilobytes; a window's worth together costs a fraction. Nothing is counted again: the one
batch stands for the others, in their order, with what is known of their rows. Batches of history are left alone:
they are known by their content, so that loading a file again stores nothing twice.
"""

import os
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from monitor.predictions.batches import concatenate, decode, encode
from monitor.predictions.known import Known
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, register, revisions
from monitor.store.db import Store
from monitor.store.predictions import INGESTED, NewBatch

MOST_ROWS = 50_000
"""No batch is made larger than this."""
HOUR = 3600
RECENT = 2 * HOUR
OLDER_HOURS = 720


def compact(store: Store, before: float, most: int = 500) -> int:
    """Put together what lies in windows that ended `before`, at most `most` windows; return the batches saved.

    Each window is one transaction: kill it anywhere, run it again.
    """
    with store.read() as connection:
        found = [
            (stream, window)
            for stream in register.streams(connection)
            for begun in stretches(before)
            for window in predictions.scattered(connection, stream, begun, before)
        ]
    return sum(_compact(store, stream, window) for stream, window in found[:most])


def stretches(before: float) -> tuple[Window, Window]:
    """The two hours `before`, and one of the older hours: another one each minute, so that within a day a month is
    seen, in which rows may have come late, and the whole log is never looked through at once.
    """
    end = int(before)
    ago = RECENT + int(before) // 60 % OLDER_HOURS * HOUR
    return Window(end - RECENT, end), Window(end - ago - HOUR, end - ago)


def _compact(store: Store, stream: Stream, window: Window) -> int:
    saved = 0
    with store.write() as connection:
        revisions.advance(connection, stream, window.end)  # who joins outcomes meanwhile has to look again
        sizes = predictions.settled(connection, stream, window)
        for group in _groups(sizes):
            parts = list(predictions.some(connection, stream, group))
            rows = concatenate([decode(part.blob) for part in parts])
            known = outcomes.known(connection, group)
            ids = b"".join(predictions.ids(connection, number) for number in group)
            latest = float(np.asarray(rows.column("timestamp")).max()) / 1e6
            new = NewBatch(stream, window, rows.num_rows, latest, os.urandom(INGESTED), ids, encode(rows))
            number = predictions.replace(
                connection, stream, group, new, max(part.received_at for part in parts)
            )
            facts = _together([known.get(part.id) for part in parts], [part.rows for part in parts])
            outcomes.forget(connection, group)
            if facts is not None:
                outcomes.put_known(connection, {number: facts.encode()})
            saved += len(group) - 1
    return saved


def _groups(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Batches (number, rows) that go together, in order: at least two, and not more rows than are allowed."""
    groups: list[list[int]] = [[]]
    rows = 0
    for number, size in sizes:
        if rows + size > MOST_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(number)
        rows += size
    return [group for group in groups if len(group) > 1]


def _together(known: Sequence[bytes | None], sizes: Sequence[int]) -> Known | None:
    """What is known of several batches, with the row numbers that their rows have in the one."""
    found, first = None, 0
    for blob, size in zip(known, sizes, strict=True):
        if blob is not None:
            facts = Known.of(blob).facts
            place = facts.schema.get_field_index("row")
            moved = pa.array(np.asarray(facts.column("row")) + first, pa.int64())
            more = Known(facts.set_column(place, "row", moved))
            found = more if found is None else found.plus(more)
        first += size
    return found
