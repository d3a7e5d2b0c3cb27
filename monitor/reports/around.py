"""The rows around an alert, beside the rows that the baseline keeps: what a drill-down report compares."""

import pyarrow as pa
from sqlalchemy import Connection

from monitor.errors import NotFoundError
from monitor.predictions.batches import concatenate, decode
from monitor.records import Alert
from monitor.store import predictions
from monitor.windows import baseline

MOST_ROWS = 20_000
_BEFORE = 3600.0


def tables(connection: Connection, alert: Alert, now: float) -> tuple[pa.Table, pa.Table]:
    """(baseline's sample, predictions from an hour before the alert fired until it was over or now; 20,000 at most).

    Raises:
        NotFoundError: there is no baseline, or the rows are no longer kept.
    """
    base = baseline.load(connection, alert.stream, with_sample=True)
    if base is None or base.sample is None:
        raise NotFoundError(
            f"{alert.stream} has no baseline with rows", hint="watchkeeper baseline set --help"
        )
    start, end = (alert.fired_at or now) - _BEFORE, alert.resolved_at or now
    rows: list[pa.RecordBatch] = []
    for batch in predictions.batches(connection, alert.stream, start, end):
        rows.append(decode(batch.blob))
        if sum(some.num_rows for some in rows) >= MOST_ROWS:
            break
    if not rows:
        raise NotFoundError(
            "the predictions of that time are no longer kept", hint="see predictions.retention"
        )
    return pa.Table.from_batches([base.sample]), pa.Table.from_batches([concatenate(rows)])
