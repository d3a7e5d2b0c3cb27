"""The audit log: who read which client's data, and who changed what. Rows are added, and deleted by age only."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    Table,
    delete,
    func,
    select,
)

from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, whole_number, words, write_each
from monitor.texts import NAME

entries = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("who", String(256), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("client", String(NAME), nullable=False, index=True),
    Column("target", String(512), nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One action of one person. `outcome` is the HTTP status; `times` is how often it happened within the minute."""

    at: float
    who: str
    address: str
    action: str
    client: str
    target: str
    outcome: int
    times: int = 1


def add(connection: Connection, new: Iterable[Entry]) -> None:
    """Append entries."""
    rows = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in new]
    write_each(connection, entries.insert(), rows, "audit", lambda row: f"{row['action']} of {row['target']}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant: those of `[start, end)` about this client and of this action, whose `who`, `address` and
    `target` contain these texts, in any case; "" means any.
    """

    client: str = ""
    action: str = ""
    who: str = ""
    address: str = ""
    target: str = ""
    start: float = 0.0
    end: float = 1e12


def latest(connection: Connection, client: str = "", limit: int = 200) -> list[Entry]:
    """The newest entries, of one client or of all, the newest first."""
    return find(connection, Filter(client), 0, limit)


def count(connection: Connection, wanted: Filter) -> int:
    """How many entries fit."""
    query = select(func.count()).select_from(entries).where(*_conditions(wanted))
    return int(connection.scalar(query) or 0)


def actions(connection: Connection) -> list[str]:
    """The actions that entries are of, in order."""
    return [str(one) for one in connection.scalars(select(entries.c.action).distinct()) if one is not None]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    c = entries.c
    conditions: list[ColumnElement[bool]] = [c.at >= wanted.start, c.at < wanted.end]
    equal = ((c.client, wanted.client), (c.action, wanted.action))
    conditions += [column == value for column, value in equal if value]
    within = ((c.who, wanted.who), (c.address, wanted.address), (c.target, wanted.target))
    conditions += [
        func.lower(column).contains(text.lower(), autoescape=True) for column, text in within if text
    ]
    return conditions


def find(connection: Connection, wanted: Filter, offset: int = 0, limit: int = 100) -> list[Entry]:
    """The entries that fit, newest first, from the one with number `offset` on; those that can be read."""
    query = select(entries).where(*_conditions(wanted)).order_by(entries.c.id.desc())
    query = query.offset(offset).limit(limit)
    faults, readable = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("audit", str(row.id)):
            for text in (row.who, row.address, row.action, row.client, row.target):
                words(text)
            outcome, times = whole_number(row.outcome), whole_number(row.times)
            readable.append(
                Entry(
                    moment(row.at), row.who, row.address, row.action, row.client, row.target, outcome, times
                )
            )
    return readable


def delete_before(connection: Connection, moment: float) -> int:
    """Delete entries older than `moment`; the number of rows."""
    return connection.execute(delete(entries).where(entries.c.at < moment)).rowcount
