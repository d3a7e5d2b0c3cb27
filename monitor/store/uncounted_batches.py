"""The batches of the prediction log that wait to be counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from monitor.config.units import HOUR
from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.db import faults_of
from monitor.store.predictions import BATCHES, STORED, StoredBatch, readable
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import words

_BEGUN_BEFORE = HOUR
_OPEN = ~BATCHES.c.counted
_MINE = BATCHES.c.stream == bindparam("number")
_OLDEST = Prepared(
    STORED.where(_MINE, _OPEN, BATCHES.c.id > bindparam("after"))
    .order_by(BATCHES.c.id)
    .limit(bindparam("most"))
)
_PAGE = 50
"""Uncounted batches that are read at a time: those of a backlog are large, and few of them are counted at once."""
_LITTLE = 500_000
_MUCH = """\
SELECT stream FROM prediction_batches WHERE stream = ANY(%(streams)s::bigint[]) AND NOT counted
GROUP BY stream HAVING count(*) >= %(batches)s OR sum(length(blob)) >= %(bytes)s"""
"""The streams of which many or large batches wait: those of a backlog are not read of many streams at once."""
_NEWEST = Prepared(
    STORED.where(_MINE, _OPEN, BATCHES.c.start >= bindparam("start"), BATCHES.c.end >= bindparam("since"))
    .order_by(BATCHES.c.start.desc(), BATCHES.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class UncountedBatches:
    """Uncounted batches, and the numbers of the damaged ones among them. `more` if there may be further ones."""

    batches: Sequence[StoredBatch]
    damaged: Sequence[int]
    more: bool = False


def oldest(
    connection: Connection, stream: Stream, limit: int = 1000, windows: int | None = None
) -> UncountedBatches:
    """The oldest uncounted batches, at most `limit`, and little more than those of the first `windows` windows."""
    values = {"number": streams.find(connection, stream), "after": 0}
    rows: list[Any] = []
    while len(rows) < limit and (windows is None or len({row.start for row in rows}) <= windows):
        wanted = min(_PAGE, limit - len(rows))
        page = _OLDEST.rows(connection, values | {"most": wanted})
        rows += page
        if len(page) < wanted:
            return _sorted_out(connection, stream, rows)
        values["after"] = page[-1].id
    return _sorted_out(connection, stream, rows, more=True)


def read_ahead(connection: Connection, some: Iterable[Stream]) -> dict[Stream, set[Window]]:
    """Read what `oldest` gives first of those of these streams of which little waits; these, with their windows."""
    known = {number: one for one in some if (number := streams.find(connection, one)) is not None}
    numbers = list(known)
    limits = {"batches": _PAGE, "bytes": _LITTLE}
    much = {row[0] for row in connection.exec_driver_sql(_MUCH, {"streams": numbers} | limits)}
    values = [{"number": number, "after": 0, "most": _PAGE} for number in numbers if number not in much]
    _OLDEST.read_ahead(connection, values)
    return {
        known[value["number"]]: {Window(row.start, row.end) for row in _OLDEST.rows(connection, value)}
        for value in values
    }


def newest(connection: Connection, stream: Stream, since: float, limit: int) -> UncountedBatches:
    """The uncounted batches of windows that end after `since` and begin at most an hour before it, newest first."""
    values = {"number": streams.find(connection, stream), "most": limit}
    values |= {"start": int(since) - _BEGUN_BEFORE, "since": int(since)}
    return _sorted_out(connection, stream, _NEWEST.rows(connection, values))


def _sorted_out(
    connection: Connection, stream: Stream, rows: Sequence[Any], *, more: bool = False
) -> UncountedBatches:
    batches = {row.id: readable(connection, stream, row) for row in rows}
    damaged = [number for number, batch in batches.items() if batch is None]
    return UncountedBatches([batch for batch in batches.values() if batch is not None], damaged, more)


def waiting_streams(connection: Connection, received_since: float = 0.0) -> list[Stream]:
    """The streams with uncounted batches that have received records since `received_since`."""
    query = select(streams.STREAMS).where(
        streams.STREAMS.c.id.in_(select(BATCHES.c.stream).where(_OPEN).distinct()),
        streams.STREAMS.c.last_received >= received_since,
    )
    return [streams.read(row).stream for row in connection.execute(query.order_by(streams.STREAMS.c.id))]


def failing_streams(connection: Connection, received_since: float, least: int, share: float) -> list[Stream]:
    """The streams of whose uncounted rows, received since then, at least `least`, and at least this share, failed."""
    names = streams.STREAMS.c.client, streams.STREAMS.c.model, streams.STREAMS.c.environment
    failed = func.sum(BATCHES.c.failed)
    query = (
        select(*names)
        .join(BATCHES, BATCHES.c.stream == streams.STREAMS.c.id)
        .where(_OPEN, BATCHES.c.received_at >= received_since)
        .group_by(*names)
        .having(failed >= least, failed >= share * func.sum(BATCHES.c.rows))
        .order_by(*names)
    )
    found: list[Stream] = []
    for row in connection.execute(query):
        with faults_of(connection).isolate("streams", "/".join(map(str, row))):
            found.append(Stream(*map(words, row)))
    return found
