"""The active faults of the daemons, for the commands, which run in other processes."""

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Float, Integer, String, Table, Text, delete, select

from monitor.runtime.faults import Fault
from monitor.store.db import metadata
from monitor.store.rows import moment, whole_number, words
from monitor.store.statements import replace

FAULTS = Table(
    "faults",
    metadata,
    Column("part", String(64), primary_key=True),
    Column("subject", String(512), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("count", Integer, nullable=False),
    Column("seen", Float, nullable=False),
)

LASTS = 60.0
"""Seconds after which a fault that no daemon has stored again counts as resolved."""


def put(connection: Connection, present: Iterable[Fault], now: float) -> None:
    """Insert or replace the active faults of this daemon; delete faults that are out of date."""
    connection.execute(delete(FAULTS).where((FAULTS.c.seen < now - LASTS) | (FAULTS.c.seen > now + LASTS)))
    rows = {
        (fault.part, fault.subject): {
            "part": _plain(fault.part)[:64],
            "subject": _plain(fault.subject)[:512],
            "reason": _plain(fault.reason),
            "since": fault.since,
            "count": min(fault.count, 2**31 - 1),
            "seen": now,
        }
        for fault in present
    }
    replace(connection, FAULTS, list(rows.values()), ("part", "subject"))


def load(connection: Connection, now: float) -> list[Fault]:
    """The active faults, oldest first. A damaged row is skipped: it is stored again within seconds."""
    faults = []
    for row in connection.execute(select(FAULTS).order_by(FAULTS.c.since)):
        try:
            if abs(moment(row.seen) - now) <= LASTS:
                texts = words(row.part), words(row.subject), words(row.reason)
                faults.append(Fault(*texts, moment(row.since), whole_number(row.count)))
        except (ValueError, TypeError):
            continue
    return faults


def _plain(text: str) -> str:
    """The text without characters that a database rejects."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
