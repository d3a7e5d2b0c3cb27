"""The state of each source, stored by the daemons for the commands, which run in other processes."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Float, String, Table, Text, delete, select

from monitor.store.db import metadata
from monitor.store.rows import moment, whole_number, words
from monitor.store.statements import replace

SOURCE_STATES = Table(
    "source_states",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("owner", String(128), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("error", Text, nullable=False),
    Column("failing_since", Float),
    Column("waiting", BigInteger),
    Column("oldest_seconds", Float),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("last_stored_at", Float),
    Column("seen", Float, nullable=False),
    Column("behind_seconds", Float),
)
LASTS = 60.0
"""Seconds after which a state that no daemon has written again is out of date."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as one daemon sees it.

    `error` is the last one, empty while it works; `failing_since` and `last_stored_at` are in seconds since the epoch.
    `accepted` and `rejected` count records since the daemon started. `behind_seconds` is for how long its records will
    still be late (`monitor.sources.progress`).
    """

    source: str
    kind: str
    error: str = ""
    failing_since: float | None = None
    waiting: int | None = None
    oldest_seconds: float | None = None
    accepted: int = 0
    rejected: int = 0
    last_stored_at: float | None = None
    behind_seconds: float | None = None


def put(connection: Connection, owner: str, states: Iterable[SourceState], now: float) -> None:
    """Insert or replace the states of one daemon's sources; delete states that are out of date."""
    seen = SOURCE_STATES.c.seen
    connection.execute(delete(SOURCE_STATES).where((seen < now - LASTS) | (seen > now + LASTS)))
    rows = [
        {
            "source": state.source,
            "owner": owner,
            "kind": state.kind,
            "error": state.error.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            "failing_since": state.failing_since,
            "waiting": state.waiting,
            "oldest_seconds": state.oldest_seconds,
            "accepted": state.accepted,
            "rejected": state.rejected,
            "last_stored_at": state.last_stored_at,
            "seen": now,
            "behind_seconds": state.behind_seconds,
        }
        for state in states
    ]
    replace(connection, SOURCE_STATES, rows, ("source", "owner"))


def load(connection: Connection, now: float) -> list[SourceState]:
    """The states that are up to date, by source. A damaged row is skipped: it is written again within seconds."""
    states = []
    for row in connection.execute(select(SOURCE_STATES).order_by(SOURCE_STATES.c.source)):
        try:
            if abs(moment(row.seen) - now) <= LASTS:
                states.append(
                    SourceState(
                        words(row.source),
                        words(row.kind),
                        words(row.error),
                        None if row.failing_since is None else moment(row.failing_since),
                        None if row.waiting is None else whole_number(row.waiting),
                        None if row.oldest_seconds is None else moment(row.oldest_seconds),
                        whole_number(row.accepted),
                        whole_number(row.rejected),
                        None if row.last_stored_at is None else moment(row.last_stored_at),
                        None if row.behind_seconds is None else moment(row.behind_seconds),
                    )
                )
        except (ValueError, TypeError):
            continue
    return states
