"""Windows of the prediction log whose batches are to be merged."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.predictions import BATCHES, SETTLED
from monitor.store.prepared_statements import Prepared

_SCATTERED = Prepared(
    select(BATCHES.c.start, BATCHES.c.end)
    .where(BATCHES.c.stream == bindparam("number"))
    .where(BATCHES.c.start >= bindparam("first"), BATCHES.c.start < bindparam("last"))
    .where(BATCHES.c.end > BATCHES.c.start, BATCHES.c.end <= bindparam("before"), *SETTLED)
    .group_by(BATCHES.c.start, BATCHES.c.end)
    .having(func.count() > 1)
    .order_by(BATCHES.c.start)
)


def windows(connection: Connection, stream: Stream, begun: Window, before: float) -> list[Window]:
    """Windows that began inside `begun`, ended `before`, and have several settled batches from the ingest, in order."""
    values = _values(streams.find(connection, stream), begun, before)
    return [Window(row.start, row.end) for row in _SCATTERED.rows(connection, values)]


def read_ahead(connection: Connection, some: Iterable[Stream], begun: Window, before: float) -> None:
    """Read what `windows` gives of each of these streams."""
    numbers = (streams.find(connection, stream) for stream in some)
    _SCATTERED.read_ahead(
        connection, [_values(number, begun, before) for number in numbers if number is not None]
    )


def _values(number: int | None, begun: Window, before: float) -> dict[str, Any]:
    return {"number": number, "before": before, "first": begun.start, "last": begun.end}
