"""What drift decisions keep: one calibration and one state a stream, its incidents, and verdicts worth explaining."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
)

from monitor.records import Stream
from monitor.store import register
from monitor.store.ageing import Aged
from monitor.store.db import metadata, whole
from monitor.store.prepared import Prepared
from monitor.store.upsert import replace


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
)

VERDICTS = Table(
    "drift_verdicts",
    metadata,
    _stream(),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("column", String(256), primary_key=True),
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
    """A calibration as it lies in the store.

    `note` says why it may not page, if so; `meaning` what its budget means.
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
    """A state, up to where it has judged, and the verdicts of the last window, all as bytes."""

    judged_until: int
    blob: bytes
    latest: bytes


@dataclass(frozen=True, slots=True)
class DriftIncident:
    """One drift incident of a stream; `closed` is None while it is open. Natural key: stream and `opened`."""

    opened: float
    closed: float | None
    since: float
    columns: tuple[str, ...]
    reason: str


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
    """Write a stream's calibration in place of the one before."""
    row = {name: getattr(calibration, name) for name in StoredCalibration.__slots__}
    replace(connection, CALIBRATIONS, [{"stream": register.key(connection, stream, now), **row}], ("stream",))


def calibration(connection: Connection, stream: Stream) -> StoredCalibration | None:
    """A stream's calibration, or None before there is one."""
    found = _only(connection, CALIBRATIONS, stream)
    return (
        None
        if found is None
        else StoredCalibration(*(getattr(found, name) for name in StoredCalibration.__slots__))
    )


def put_state(connection: Connection, stream: Stream, state: StoredState, now: float) -> None:
    """Write a stream's state in place of the one before."""
    row = {"judged_until": state.judged_until, "blob": state.blob, "latest": state.latest}
    replace(connection, STATES, [{"stream": register.key(connection, stream, now), **row}], ("stream",))


def state(connection: Connection, stream: Stream) -> StoredState | None:
    """A stream's state, or None before its first window."""
    found = _only(connection, STATES, stream)
    return None if found is None else StoredState(found.judged_until, bytes(found.blob), bytes(found.latest))


def delete_state(connection: Connection, stream: Stream) -> None:
    """Forget a stream's state; its calibration stays."""
    connection.execute(delete(STATES).where(STATES.c.stream == register.find(connection, stream)))


def put_incident(connection: Connection, stream: Stream, incident: DriftIncident, now: float) -> None:
    """Write an incident, or what became of it."""
    row = {
        "stream": register.key(connection, stream, now),
        "opened": incident.opened,
        "closed": incident.closed,
        "since": incident.since,
        "columns": "\n".join(incident.columns),
        "reason": incident.reason,
    }
    replace(connection, INCIDENTS, [row], ("stream", "opened"))


def incidents(connection: Connection, stream: Stream, start: float = 0.0) -> list[DriftIncident]:
    """Incidents that were opened since `start`, newest first."""
    mine = (INCIDENTS.c.stream == register.find(connection, stream), INCIDENTS.c.opened >= start)
    rows = connection.execute(select(INCIDENTS).where(*mine).order_by(INCIDENTS.c.opened.desc()))
    return [DriftIncident(r.opened, r.closed, r.since, tuple(r.columns.split("\n")), r.reason) for r in rows]


def put_verdicts(
    connection: Connection, stream: Stream, verdicts: Sequence[StoredVerdict], now: float
) -> None:
    """Write the verdicts of a window."""
    number = register.key(connection, stream, now)
    rows = [
        {
            "stream": number,
            "start": one.start,
            "column": one.column,
            "ratio": one.ratio,
            "significant": one.significant,
            "reason": one.reason,
        }
        for one in verdicts
    ]
    replace(connection, VERDICTS, rows, ("stream", "start", "column"))


def verdicts(connection: Connection, stream: Stream, start: float, end: float) -> list[StoredVerdict]:
    """Verdicts on windows that begin in `[start, end)`, by time and then by strength."""
    columns = VERDICTS.c
    mine = (
        columns.stream == register.find(connection, stream),
        columns.start >= whole(start),
        columns.start < whole(end),
    )
    rows = connection.execute(select(VERDICTS).where(*mine).order_by(columns.start, columns.ratio.desc()))
    return [StoredVerdict(r.start, r.column, r.ratio, r.significant, r.reason) for r in rows]


def put_acceptance(connection: Connection, stream: Stream, at: float, since: float, author: str) -> None:
    """Record that somebody took the state since `since` for the new normal."""
    row = {"stream": register.key(connection, stream, at), "at": at, "since": since, "author": author}
    replace(connection, ACCEPTANCES, [row], ("stream", "at"))


def acceptances(connection: Connection, stream: Stream) -> list[tuple[float, float, str]]:
    """(at, since, author) of every acceptance, newest first."""
    mine = ACCEPTANCES.c.stream == register.find(connection, stream)
    rows = connection.execute(select(ACCEPTANCES).where(mine).order_by(ACCEPTANCES.c.at.desc()))
    return [(row.at, row.since, row.author) for row in rows]


def delete_before(connection: Connection, before: float) -> int:
    """Delete incidents that were closed before."""
    return connection.execute(delete(INCIDENTS).where(INCIDENTS.c.closed < before)).rowcount


def _only(connection: Connection, table: Table, stream: Stream) -> Row[tuple[object, ...]] | None:
    return _ONE_A_STREAM[table.name].run(connection, {"number": register.find(connection, stream)}).first()
