"""Windows whose profile has changed since they were measured.

Rows are added in the transaction of the profile and deleted in the transaction of the measurements, so that a crash
between the two loses nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, bindparam, delete, func, select

from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared, prepared_insert
from monitor.store.rows import moment, whole_number, words
from monitor.store.streams import STREAMS

UNMEASURED = Table(
    "unmeasured",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
)


_NOTE = prepared_insert(UNMEASURED)
_REMOVE = Prepared(
    delete(UNMEASURED).where(
        *(UNMEASURED.c[name] == bindparam(name) for name in ("stream", "seconds", "start"))
    )
)


def add(connection: Connection, changed: Mapping[Stream, Iterable[Window]], now: float) -> None:
    """Queue windows of streams to be measured."""
    _NOTE.insert(
        connection,
        [
            {"stream": streams.key(connection, stream, now), "seconds": window.seconds, "start": window.start}
            for stream, windows in changed.items()
            for window in windows
        ],
    )


def load(
    connection: Connection, is_wanted: Callable[[Stream], bool] = lambda _stream: True
) -> dict[Stream, list[Window]]:
    """The queued windows of the streams that are wanted, by stream, oldest first."""
    query = select(
        STREAMS.c.client, STREAMS.c.model, STREAMS.c.environment, UNMEASURED.c.seconds, UNMEASURED.c.start
    )
    query = query.join(STREAMS, STREAMS.c.id == UNMEASURED.c.stream).order_by(UNMEASURED.c.start)
    faults = faults_of(connection)
    queued: dict[Stream, list[Window]] = {}
    for client, model, environment, seconds, start in connection.execute(query):
        with faults.isolate("unmeasured", f"{client}/{model}/{environment} from {start}"):
            stream = Stream(words(client), words(model), words(environment))
            if not is_wanted(stream):
                continue
            window = Window(int(moment(start)), int(moment(start)) + whole_number(seconds))
            queued.setdefault(stream, []).append(window)
    return queued


def amount(connection: Connection, stream: Stream, seconds: int) -> int:
    """How many windows of a length are queued for a stream."""
    here = (UNMEASURED.c.stream == streams.find(connection, stream), UNMEASURED.c.seconds == seconds)
    return int(connection.scalar(select(func.count()).select_from(UNMEASURED).where(*here)) or 0)


def remove(connection: Connection, measured: Mapping[Stream, Sequence[Window]]) -> None:
    """Remove windows of streams that were measured."""
    _REMOVE.run_for_each(
        connection,
        [
            {"stream": streams.find(connection, stream), "seconds": window.seconds, "start": window.start}
            for stream, windows in measured.items()
            for window in windows
        ],
    )
