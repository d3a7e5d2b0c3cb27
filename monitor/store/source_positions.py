"""The position of each source, per shard, written in the transaction that stores the records."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Connection, Float, String, Table, delete, insert, select, update

from monitor.errors import WatchkeeperError
from monitor.store.db import metadata
from monitor.store.rows import words
from monitor.store.statements import insert_new

SHARD = 512
"""The largest length of a shard's name, in characters."""

SOURCE_POSITIONS = Table(
    "source_positions",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("shard", String(SHARD), primary_key=True),
    Column("position", String(1024), nullable=False),
    Column("updated_at", Float, nullable=False),
)


_AT_ONCE = 500
CAUGHT_UP = "watchkeeper:caught-up"
"""Instead of a shard: the source has read what lay there before it was configured."""


class PositionConflictError(WatchkeeperError):
    """Another daemon has moved this position. The fetched records are stored already, or will be fetched again."""


def load(connection: Connection, source: str) -> dict[str, str]:
    """The position per shard.

    Raises:
        ValueError, TypeError: a row is damaged.
    """
    query = select(SOURCE_POSITIONS.c.shard, SOURCE_POSITIONS.c.position)
    columns = SOURCE_POSITIONS.c
    rows = connection.execute(query.where(columns.source == source, columns.shard != CAUGHT_UP))
    return {words(row.shard): words(row.position) for row in rows}


def advance(
    connection: Connection, source: str, before: Mapping[str, str], after: Mapping[str, str], now: float
) -> None:
    """Move positions from `before` to `after`; a shard that is not in `before` must be new.

    Raises:
        PositionConflictError: a position is not the one in `before`. The transaction must be rolled back.
    """
    for shard, position in after.items():
        old = before.get(shard)
        if old == position:
            continue
        values = {"source": source, "shard": shard, "position": position, "updated_at": now}
        if old is None:
            if shard in load(connection, source):
                raise _conflict(source, shard)
            connection.execute(insert(SOURCE_POSITIONS), [values])
            continue
        columns = SOURCE_POSITIONS.c
        at_old = (columns.source == source) & (columns.shard == shard) & (columns.position == old)
        changed = update(SOURCE_POSITIONS).where(at_old).values(position=position, updated_at=now)
        if connection.execute(changed).rowcount != 1:
            raise _conflict(source, shard)


def forget(connection: Connection, source: str, shards: Sequence[str], before: float) -> list[str]:
    """Delete the positions of shards that did not change since `before`; the names of those shards."""
    columns = SOURCE_POSITIONS.c
    forgotten: list[str] = []
    for at in range(0, len(shards), _AT_ONCE):
        some = columns.shard.in_(shards[at : at + _AT_ONCE])
        old = (columns.source == source) & some & (columns.updated_at < before)
        names = [words(name) for name in connection.execute(select(columns.shard).where(old)).scalars()]
        if names:
            connection.execute(
                delete(SOURCE_POSITIONS).where(columns.source == source, columns.shard.in_(names))
            )
        forgotten += names
    return forgotten


def has_caught_up(connection: Connection, source: str) -> bool:
    """Whether a source was current once."""
    columns = SOURCE_POSITIONS.c
    query = select(columns.source).where(columns.source == source, columns.shard == CAUGHT_UP)
    return connection.execute(query).first() is not None


def note_caught_up(connection: Connection, source: str, now: float) -> None:
    """Remember that a source was current. Repeatable."""
    row = {"source": source, "shard": CAUGHT_UP, "position": "", "updated_at": now}
    insert_new(connection, SOURCE_POSITIONS, [row], ("source",))


def _conflict(source: str, shard: str) -> PositionConflictError:
    return PositionConflictError(
        f"another daemon has read {source} {shard} further", hint="reading continues from there"
    )
