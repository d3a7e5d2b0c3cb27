"""Deletes streams that have sent nothing for longer than anything of them is kept, with all that is left of them."""

from collections.abc import Sequence
from itertools import islice

from sqlalchemy import Column, ColumnElement, CompoundSelect, Connection, delete, func, select, union

from monitor.store.approvals import APPROVALS
from monitor.store.baselines import LAYOUTS
from monitor.store.client_data import PLACES, Owner
from monitor.store.model_versions import versions
from monitor.store.releases import RELEASES
from monitor.store.streams import STREAMS
from monitor.store.tables import metadata

_HOLDING = ("prediction_batches", "outcome_batches", "profiles", "history", "unmeasured")
"""Tables whose rows keep their stream: they may be younger than its last record, such as history that was loaded."""
_AT_ONCE = 50


def delete_silent(connection: Connection, before: float) -> int:
    """Delete streams that received nothing since `before`, and their rows in all tables; at most 50, their number.

    The stream with the largest number stays: SQLite would give its number to the next stream, and a process that
    remembers it would confuse the two.
    """
    c = STREAMS.c
    last = select(func.max(c.id)).scalar_subquery()
    silent = connection.scalars(select(c.id).where(c.last_received < before, c.id < last).order_by(c.id))
    numbers = list(islice((one for one in silent.all() if _is_empty(connection, one)), _AT_ONCE))
    # Who sends again meanwhile has moved `last_received`, and is not deleted.
    gone = delete(STREAMS).where(c.id.in_(numbers), c.last_received < before).returning(c.id)
    deleted = list(connection.scalars(gone))
    for place in PLACES if deleted else ():
        if place.owner is Owner.STREAM:
            table = metadata.tables[place.table]
            connection.execute(delete(table).where(table.c.stream.in_(deleted)))
    return len(deleted)


def _is_empty(connection: Connection, number: int) -> bool:
    """Whether no rows keep a stream. Each query reads one entry of an index."""
    tables = (metadata.tables[name] for name in _HOLDING)
    queries = (select(table.c.stream).where(table.c.stream == number).limit(1) for table in tables)
    return not any(connection.execute(query).first() for query in queries)


def delete_leftovers(connection: Connection, before: float) -> int:
    """Delete versions, releases and approvals from before `before` that are of no stream; the number of rows."""
    conditions: tuple[Column[float], ...] = (versions.c.last_seen, RELEASES.c.recorded_at, APPROVALS.c.at)
    return sum(
        connection.execute(delete(time.table).where(time < before, _has_no_stream(time.table.c))).rowcount
        for time in conditions
    )


def unused_layouts(connection: Connection) -> list[str]:
    """The layouts that nothing refers to. Reads all profiles if there seem to be any: use a reading connection."""
    candidates = list(connection.scalars(select(LAYOUTS.c.id).where(LAYOUTS.c.id.not_in(_in_use()))))
    counted = (
        metadata.tables[name].c.layout for name in ("profiles", "history", "site_windows", "site_bases")
    )
    used = {name for c in counted if candidates for name in connection.scalars(select(c).distinct())}
    return [name for name in candidates if name not in used]


def delete_layouts(connection: Connection, unused: Sequence[str]) -> int:
    """Delete some of the layouts that nothing referred to; the number of rows. Profiles are counted by the layout of a
    baseline, so one that has come into use since then is that of a baseline.
    """
    if connection.dialect.name == "postgresql":  # a baseline that is stored now may need one
        connection.exec_driver_sql("LOCK TABLE layouts IN SHARE ROW EXCLUSIVE MODE")
    ours = LAYOUTS.c.id.in_(unused[:_AT_ONCE]), LAYOUTS.c.id.not_in(_in_use())
    return connection.execute(delete(LAYOUTS).where(*ours)).rowcount


def _in_use() -> CompoundSelect[tuple[str]]:
    return union(*(select(metadata.tables[name].c.layout) for name in ("baselines", "drift_calibrations")))


def _has_no_stream(columns: object) -> ColumnElement[bool]:
    c = STREAMS.c
    same = (getattr(columns, name) == c[name] for name in ("client", "model", "environment"))
    return ~select(c.id).where(*same).exists()
