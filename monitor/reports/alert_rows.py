"""The two tables of a drill-down report: rows around an alert, and sample rows of the baseline."""

import pyarrow as pa
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.errors import NotFoundError
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Alert
from monitor.store import predictions
from monitor.windows import baseline

MOST_ROWS = 20_000
_BEFORE = float(HOUR)


def tables(connection: Connection, alert: Alert, now: float) -> tuple[pa.Table, pa.Table]:
    """(baseline's sample, predictions from an hour before the alert fired until it resolved, or now; at most 20,000).

    Raises:
        NotFoundError: there is no baseline, or the rows are no longer kept.
    """
    base = baseline.load(connection, alert.stream, with_sample=True)
    if base is None or base.sample is None:
        raise NotFoundError(
            f"{alert.stream} has no baseline with sample rows", hint="watchkeeper baseline set --help"
        )
    start, end = (alert.fired_at or now) - _BEFORE, alert.resolved_at or now
    rows: list[pa.RecordBatch] = []
    for _, part in decoded(connection, predictions.batches(connection, alert.stream, start, end)):
        rows.append(part)
        if sum(some.num_rows for some in rows) >= MOST_ROWS:
            break
    if not rows:
        raise NotFoundError(
            "the predictions of that time have been deleted", hint="see predictions.retention"
        )
    return pa.Table.from_batches([base.sample]), pa.Table.from_batches([concatenate(rows)])
