"""Outcomes joined and written, as counting does it, without counting."""

import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions.outcomes import join as outcome_join
from monitor.records import Stream, Window


def join(connection: Connection, stream: Stream, now: float) -> list[tuple[Window, pa.RecordBatch]]:
    """Write what outcomes found, and return it: the window and the joined batch of each batch of predictions."""
    joining = outcome_join.join(connection, stream)
    outcome_join.commit(connection, {stream: joining}, now)
    return [(news.window, news.joined) for news in joining.matched]
