"""What workers have found of their streams, until the leader has planned notifications of it.

One row a stream: a stream is not judged again before its last judgement is part of its alerts.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Column, Connection, Float, LargeBinary, String, Table, bindparam, delete, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import blob, words
from monitor.store.statements import replace
from monitor.text_limits import ENVIRONMENT, NAME

JUDGEMENTS = Table(
    "judgements",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("at", Float, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)
_KEY = ("client", "model", "environment")
_DELETE = Prepared(delete(JUDGEMENTS).where(*(JUDGEMENTS.c[name] == bindparam(name) for name in _KEY)))


def put(connection: Connection, judged: Mapping[Stream, bytes], now: float) -> None:
    """Store the judgement of each stream."""
    rows = [{**_names(stream), "at": now, "blob": blob} for stream, blob in judged.items()]
    replace(connection, JUDGEMENTS, rows, _KEY)


def waiting(connection: Connection) -> set[Stream]:
    """The streams whose last judgement the leader has not planned notifications of."""
    return {Stream(*row) for row in connection.execute(select(*(JUDGEMENTS.c[name] for name in _KEY)))}


def load(connection: Connection) -> dict[Stream, bytes]:
    """All stored judgements, in order of their streams. A damaged row is reported and left out."""
    faults, contents = faults_of(connection), dict[Stream, bytes]()
    for row in connection.execute(select(JUDGEMENTS).order_by(*(JUDGEMENTS.c[name] for name in _KEY))):
        with faults.isolate("judgements", f"{row.client}/{row.model}/{row.environment}", in_transaction=True):
            contents[Stream(words(row.client), words(row.model), words(row.environment))] = blob(row.blob)
    return contents


def remove(connection: Connection, streams: Iterable[Stream]) -> None:
    """Delete the judgements of which notifications are planned in this transaction."""
    _DELETE.run_for_each(connection, [_names(stream) for stream in sorted(streams)])


def _names(stream: Stream) -> dict[str, str]:
    return {"client": stream.client, "model": stream.model, "environment": stream.environment}
