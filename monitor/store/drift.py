"""Drift: one calibration and one state per stream, its incidents, and the verdicts that explain them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
)

from monitor.records import Stream
from monitor.store import streams
from monitor.store.db import faults_of, metadata, whole
from monitor.store.prepared_statements import Prepared
from monitor.store.retention import Aged
from monitor.store.rows import blob, moment, number, whole_number, words
from monitor.store.statements import replace
from monitor.text_limits import COLUMN


def _stream() -> Column[int]:
    return Column("stream", BigInteger, primary_key=True, autoincrement=False)


CALIBRATIONS = Table(
    "drift_calibrations",
    metadata,
    _stream(),
    Column("made_at", Float, nullable=False),
    Column("layout", String(16), nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("windows", Integer, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)

STATES = Table(
    "drift_states",
    metadata,
    _stream(),
    Column("judged_until", BigInteger, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("latest", LargeBinary, nullable=False),
)

INCIDENTS = Table(
    "drift_incidents",
    metadata,
    _stream(),
    Column("opened", Float, primary_key=True),
    Column("closed", Float, nullable=True),
    Column("since", Float, nullable=False),
    Column("columns", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("earliest", Float, nullable=True),
    Column("latest", Float, nullable=True),
)

VERDICTS = Table(
    "drift_verdicts",
    metadata,
    _stream(),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("column", String(COLUMN), primary_key=True),
    Column("ratio", Float, nullable=False),
    Column("significant", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
)
AGED_VERDICTS = Aged(VERDICTS, ("stream",))

ACCEPTANCES = Table(
    "drift_acceptances",
    metadata,
    _stream(),
    Column("at", Float, primary_key=True),
    Column("since", Float, nullable=False),
    Column("author", String(128), nullable=False),
)
_ONE_A_STREAM = {
    table.name: Prepared(select(table).where(table.c.stream == bindparam("number")))
    for table in (CALIBRATIONS, STATES)
}


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A stored calibration of the windows from `start` to `end` (seconds since the epoch).

    `note` says why it may not page, or is empty; `meaning` explains its false-alarm budget.
    """

    made_at: float
    layout: str
    seconds: int
    start: int
    end: int
    windows: int
    accepted: bool
    note: str
    meaning: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of the decision after the window that ended at `judged_until`, and that window's verdicts, as bytes."""

    judged_until: int
    blob: bytes
    latest: bytes


@dataclass(frozen=True, slots=True)
class StoredDriftIncident:
    """One drift incident of a stream; `closed` is None while it is open. Natural key: stream and `opened`.

    It began at `since`, between `earliest` and `latest` if these are known.
    """

    opened: float
    closed: float | None
    since: float
    columns: tuple[str, ...]
    reason: str
    earliest: float | None = None
    latest: float | None = None


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One column's verdict on the window that begins at `start`."""

    start: int
    column: str
    ratio: float
    significant: bool
    reason: str


def put_calibration(
    connection: Connection, stream: Stream, calibration: StoredCalibration, now: float
) -> None:
    """Insert or replace the calibration of a stream."""
    row = {name: getattr(calibration, name) for name in StoredCalibration.__slots__}
    replace(connection, CALIBRATIONS, [{"stream": streams.key(connection, stream, now), **row}], ("stream",))


def calibration(connection: Connection, stream: Stream) -> StoredCalibration | None:
    """The calibration of a stream; None if there is none, or it is damaged and will be learned again."""
    row = _only(connection, CALIBRATIONS, stream)
    if row is None:
        return None
    with faults_of(connection).isolate("drift_calibrations", str(stream)):
        for at in (row.made_at, row.start, row.end):
            moment(at)
        if whole_number(row.seconds) == 0:
            raise ValueError("a window of 0 seconds")
        return StoredCalibration(*(getattr(row, name) for name in StoredCalibration.__slots__))
    return None


def read_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read what `calibration` and `state` give of each of these streams."""
    numbers = [number for one in some if (number := streams.find(connection, one)) is not None]
    for statement in _ONE_A_STREAM.values():
        statement.read_ahead(connection, [{"number": number} for number in numbers])


def put_state(connection: Connection, stream: Stream, state: StoredState, now: float) -> None:
    """Insert or replace the state of a stream."""
    row = {"judged_until": state.judged_until, "blob": state.blob, "latest": state.latest}
    replace(connection, STATES, [{"stream": streams.key(connection, stream, now), **row}], ("stream",))


def state(connection: Connection, stream: Stream) -> StoredState | None:
    """The state of a stream; None before its first window, or if it is damaged and starts again."""
    row = _only(connection, STATES, stream)
    if row is None:
        return None
    with faults_of(connection).isolate("drift_states", f"{stream}: its row"):
        return StoredState(int(moment(row.judged_until)), blob(row.blob), blob(row.latest))
    return None


def delete_state(connection: Connection, stream: Stream) -> None:
    """Delete the state of a stream, but not its calibration."""
    connection.execute(delete(STATES).where(STATES.c.stream == streams.find(connection, stream)))


def put_incident(connection: Connection, stream: Stream, incident: StoredDriftIncident, now: float) -> None:
    """Insert or replace an incident."""
    row = {
        "stream": streams.key(connection, stream, now),
        "opened": incident.opened,
        "closed": incident.closed,
        "since": incident.since,
        "columns": "\n".join(incident.columns),
        "reason": incident.reason,
        "earliest": incident.earliest,
        "latest": incident.latest,
    }
    replace(connection, INCIDENTS, [row], ("stream", "opened"))


def incidents(connection: Connection, stream: Stream, start: float = 0.0) -> list[StoredDriftIncident]:
    """Incidents opened at `start` (seconds since the epoch) or later, newest first."""
    mine = (INCIDENTS.c.stream == streams.find(connection, stream), INCIDENTS.c.opened >= start)
    rows = connection.execute(select(INCIDENTS).where(*mine).order_by(INCIDENTS.c.opened.desc()))
    faults, readable = faults_of(connection), []
    for r in rows:
        with faults.isolate("drift_incidents", f"{stream} {r.opened}"):
            closed, earliest, latest = (
                None if at is None else moment(at) for at in (r.closed, r.earliest, r.latest)
            )
            columns = tuple(words(r.columns).split("\n"))
            readable.append(
                StoredDriftIncident(
                    moment(r.opened), closed, moment(r.since), columns, words(r.reason), earliest, latest
                )
            )
    return readable


def put_verdicts(
    connection: Connection, stream: Stream, verdicts: Sequence[StoredVerdict], now: float
) -> None:
    """Insert or replace the verdicts of a window."""
    number = streams.key(connection, stream, now)
    rows = [
        {
            "stream": number,
            "start": verdict.start,
            "column": verdict.column,
            "ratio": verdict.ratio,
            "significant": verdict.significant,
            "reason": verdict.reason,
        }
        for verdict in verdicts
    ]
    replace(connection, VERDICTS, rows, ("stream", "start", "column"))


def verdicts(connection: Connection, stream: Stream, start: float, end: float) -> list[StoredVerdict]:
    """Verdicts on windows that begin in `[start, end)`, by time, then by descending ratio."""
    columns = VERDICTS.c
    mine = (
        columns.stream == streams.find(connection, stream),
        columns.start >= whole(start),
        columns.start < whole(end),
    )
    rows = connection.execute(select(VERDICTS).where(*mine).order_by(columns.start, columns.ratio.desc()))
    faults, readable = faults_of(connection), []
    for r in rows:
        with faults.isolate("drift_verdicts", f"{stream} {r.start} {r.column}"):
            readable.append(
                StoredVerdict(
                    int(moment(r.start)),
                    words(r.column),
                    number(r.ratio),
                    bool(r.significant),
                    words(r.reason),
                )
            )
    return readable


def put_acceptance(connection: Connection, stream: Stream, at: float, since: float, author: str) -> None:
    """Record that `author` accepted the data since `since` as the new normal."""
    row = {"stream": streams.key(connection, stream, at), "at": at, "since": since, "author": author}
    replace(connection, ACCEPTANCES, [row], ("stream", "at"))


def acceptances(connection: Connection, stream: Stream) -> list[tuple[float, float, str]]:
    """Every acceptance as (at, since, author), newest first."""
    mine = ACCEPTANCES.c.stream == streams.find(connection, stream)
    rows = connection.execute(select(ACCEPTANCES).where(mine).order_by(ACCEPTANCES.c.at.desc()))
    faults, readable = faults_of(connection), []
    for row in rows:
        with faults.isolate("drift_acceptances", f"{stream} {row.at}"):
            readable.append((moment(row.at), moment(row.since), words(row.author)))
    return readable


def delete_before(connection: Connection, before: float) -> int:
    """Delete incidents that were closed before `before`; the number of rows."""
    return connection.execute(delete(INCIDENTS).where(INCIDENTS.c.closed < before)).rowcount


def _only(connection: Connection, table: Table, stream: Stream) -> Any:
    """The row of a stream, with its columns as attributes; None without one."""
    rows = _ONE_A_STREAM[table.name].rows(connection, {"number": streams.find(connection, stream)})
    return rows[0] if rows else None
