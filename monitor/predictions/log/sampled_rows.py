"""Some of the stored rows of a stream, evenly spread over a period."""

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions.log.batch import concatenate, decode, encode
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Stream
from monitor.store import predictions


def sampled_rows(
    connection: Connection, stream: Stream, start: float, end: float, most: int, most_batches: int = 120
) -> pa.RecordBatch | None:
    """At most `most` rows with features, evenly spread over at most `most_batches` batches of `[start, end)`, in
    seconds since the epoch; None without rows. One batch is in memory at a time.
    """
    sizes = predictions.sizes(connection, stream, start, end)
    if not sizes:
        return None
    chosen = [sizes[place] for place in np.unique(np.linspace(0, len(sizes) - 1, most_batches).astype(int))]
    share = min(1.0, 4 * most / sum(rows for _, _, rows in chosen))  # some rows may have no features
    parts = [
        _some(rows, int(np.ceil(share * stored.rows)))
        for stored, rows in decoded(
            connection, predictions.some(connection, stream, [number for number, _, _ in chosen])
        )
    ]
    if not parts:
        return None
    rows = concatenate(parts)
    if "sampled" in rows.schema.names:
        rows = rows.filter(rows.column("sampled").fill_null(True))
    return _some(rows, most)


def _some(rows: pa.RecordBatch, most: int) -> pa.RecordBatch:
    """At most `most` rows, evenly spread, copied so that the others can be freed."""
    if rows.num_rows <= most:
        return rows
    chosen = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, most).astype(np.int64)))
    return decode(encode(chosen))
