"""How often somebody reads clients' data in an hour, counted from the audit log."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.sql.selectable import Subquery

from monitor.store.audit import entries
from monitor.store.db import faults_of
from monitor.store.rows import words

HOUR = 3600
_MOST = 10_000
_NOBODY = ("stranger", "others")
"""Names in entries of requests without access, and of many people together."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What somebody has read before: in the hour with the most requests, and since when (seconds since the epoch)."""

    largest: int
    since: float


def reads(connection: Connection, start: float, end: float) -> dict[str, int]:
    """For each name in entries of `[start, end)`, its answered requests in the clock hour with the most of them."""
    return {who: habit.largest for who, habit in habits(connection, start, end).items()}


def habits(connection: Connection, start: float, end: float) -> dict[str, Habit]:
    """The habit of each name in entries of `[start, end)`: of the 10,000 that read most. Hours are those of UTC."""
    hourly = _hourly(start, end)
    largest = func.max(hourly.c.times).label("largest")
    query = select(hourly.c.who, largest, func.min(hourly.c.hour).label("first")).group_by(hourly.c.who)
    by_reader, faults = dict[str, Habit](), faults_of(connection)
    for row in connection.execute(query.order_by(largest.desc()).limit(_MOST)):
        with faults.isolate("audit", f"reads of {row.who!r:.80}"):
            by_reader[words(row.who)] = Habit(int(row.largest), float(row.first) * HOUR)
    return by_reader


def _hourly(start: float, end: float) -> Subquery:
    """Requests for each name and hour. Only what was answered counts: a refused request has read nothing."""
    c = entries.c
    hour = func.floor(c.at / HOUR).label("hour")
    query = select(c.who, hour, func.sum(c.times).label("times")).where(
        c.at >= start,
        c.at < end,
        c.action.startswith("read"),
        c.outcome < 400,
        c.who.not_in(_NOBODY),
    )
    return query.group_by(c.who, hour).subquery()
