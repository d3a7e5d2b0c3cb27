"""What a site remembers: who it is, how far it has bundled, and which windows have changed since.

A window that changes is noted in the transaction of its profile. A bundle takes the noted windows in two steps: their
rows are marked with its number, then, once its file is on the disk, deleted. A window that changes in between is noted
again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared, prepared_upsert
from monitor.store.profiles import PROFILES, StoredProfile, stored
from monitor.store.retention import Aged
from monitor.store.rows import blob, whole_number, words
from monitor.store.statements import replace
from monitor.store.streams import STREAMS
from monitor.text_limits import NAME

STATE = Table(
    "site_state",
    metadata,
    Column("site", String(NAME), primary_key=True),
    Column("epoch", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", String(32), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("begun", Integer, nullable=False),
)
CHANGES = Table(
    "site_changes",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
)
BASES = Table(
    "site_bases",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", String(32), primary_key=True),
    Column("parent", String(32), nullable=False),
    Column("layout", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
)
AGED_CHANGES = Aged(CHANGES, ("stream", "seconds"))
AGED_BASES = Aged(BASES, ("stream", "seconds"))
WAITING = 0
"""The `seq` of a window that no bundle has taken."""
_IS_SITE = Prepared(select(func.count()).select_from(STATE))
_NOTE = prepared_upsert(CHANGES, ("stream", "seconds", "start"))
_KEY = ("stream", "seconds", "start")
_MARK = Prepared(
    update(CHANGES)
    .where(*(CHANGES.c[name] == bindparam(name) for name in _KEY))
    .values(seq=bindparam("taken", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class SiteState:
    """Where a site is: `seq` bundles of its epoch are complete, the last one with the hash `digest`.

    `epoch` identifies an unbroken history of this database, `number` counts them, `parent` is the epoch before. `begun`
    is the bundle that is being written: `seq`, or the next one.
    """

    site: str
    epoch: str
    number: int = 1
    parent: str = ""
    seq: int = 0
    digest: str = ""
    begun: int = 0


def load(connection: Connection) -> SiteState | None:
    """The site that this database belongs to; None if it is no site."""
    row = connection.execute(select(STATE).limit(1)).first()
    if row is None:
        return None
    return SiteState(
        words(row.site), words(row.epoch), whole_number(row.number), words(row.parent), whole_number(row.seq),
        words(row.digest), whole_number(row.begun),
    )  # fmt: skip


def put(connection: Connection, state: SiteState) -> None:
    """Insert or replace the state."""
    names = ("site", "epoch", "number", "parent", "seq", "digest", "begun")
    replace(connection, STATE, [{name: getattr(state, name) for name in names}], ("site",))


def note(connection: Connection, changed: Mapping[int, Iterable[Window]]) -> None:
    """Note windows that changed, by the number of their stream, if this database is a site's."""
    row = _IS_SITE.row(connection, {})
    if row is None or not row[0]:
        return
    _NOTE.insert(connection, [
        {"stream": number, "seconds": window.seconds, "start": window.start, "seq": WAITING}
        for number, windows in changed.items()
        for window in windows
    ])  # fmt: skip


def note_all(connection: Connection, seconds: int) -> int:
    """Note every base window that has a profile; the number of windows."""
    c = PROFILES.c
    rows = select(c.stream, c.seconds, c.start, literal(WAITING).label("seq")).where(c.seconds == seconds)
    connection.execute(delete(CHANGES))
    return connection.execute(insert(CHANGES).from_select([*_KEY, "seq"], rows)).rowcount


def keep_bases(connection: Connection, state: SiteState, seconds: int) -> int:
    """Keep the profiles of all base windows as they are when an epoch begins; the number of windows."""
    c = PROFILES.c
    epoch, parent = literal(state.epoch).label("epoch"), literal(state.parent).label("parent")
    rows = select(c.stream, c.seconds, c.start, epoch, parent, c.layout, c.blob).where(c.seconds == seconds)
    names = (*_KEY, "epoch", "parent", "layout", "blob")
    return connection.execute(insert(BASES).from_select(names, rows)).rowcount


def take(connection: Connection, seq: int, until: Mapping[int, float], most: int) -> bool:
    """Mark at most `most` waiting windows for a bundle, oldest first; whether more closed windows wait.

    `until` is, for the number of each stream, the time by which its windows are closed.
    """
    c = CHANGES.c
    held = int(connection.scalar(select(func.count()).select_from(CHANGES).where(c.seq == seq)) or 0)
    query = select(*(c[name] for name in _KEY)).where(c.seq == WAITING).order_by(c.start, c.stream)
    rows = connection.execute(query)
    closed = (row for row in rows if row.start + row.seconds <= until.get(row.stream, -math.inf))
    keys = [{name: getattr(row, name) for name in _KEY} for row in islice(closed, max(most - held, 0) + 1)]
    rows.close()
    _MARK.run_for_each(connection, [{**key, "taken": seq} for key in keys[: max(most - held, 0)]])
    return len(keys) > max(most - held, 0)


def waiting(connection: Connection) -> int:
    """How many windows have changed since they were bundled; those of the bundle that is being written count."""
    return int(connection.scalar(select(func.count()).select_from(CHANGES)) or 0)


@dataclass(frozen=True, slots=True)
class KeptBase:
    """The profile of a window when an epoch began, in the history of the epoch `parent`."""

    epoch: str
    parent: str
    layout: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class TakenWindow:
    """A window of a bundle. `bases` are its profiles when epochs began."""

    stream: Stream
    profile: StoredProfile
    bases: tuple[KeptBase, ...]


def taken(connection: Connection, seq: int) -> list[TakenWindow]:
    """The windows that a bundle took and that still have a profile, in order of time."""
    c, p, s = CHANGES.c, PROFILES.c, STREAMS.c
    same = [p[name] == c[name] for name in _KEY]
    query = (
        select(s.client, s.model, s.environment, PROFILES)
        .select_from(CHANGES)
        .join(PROFILES, and_(*same))
        .join(STREAMS, s.id == c.stream)
        .where(c.seq == seq)
        .order_by(c.start, c.stream)
    )
    bases = _bases(connection, seq)
    faults, windows = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("site_changes", f"{row.client}/{row.model} from {row.start}"):
            stream = Stream(words(row.client), words(row.model), words(row.environment))
            key = (row.stream, row.seconds, row.start)
            windows.append(TakenWindow(stream, stored(row), tuple(bases.get(key, ()))))
    return windows


def _bases(connection: Connection, seq: int) -> dict[tuple[int, int, int], list[KeptBase]]:
    c, b = CHANGES.c, BASES.c
    same = [b[name] == c[name] for name in _KEY]
    query = select(BASES).join(CHANGES, and_(*same)).where(c.seq == seq).order_by(b.epoch)
    bases: dict[tuple[int, int, int], list[KeptBase]] = {}
    for row in connection.execute(query):
        base = KeptBase(words(row.epoch), words(row.parent), words(row.layout), blob(row.blob))
        bases.setdefault((row.stream, row.seconds, row.start), []).append(base)
    return bases


def done(connection: Connection, seq: int, left: Iterable[tuple[Stream, Window]] = ()) -> None:
    """Forget the windows that a complete bundle has; those that it `left` out wait again."""
    for stream, window in left:
        key = {"stream": streams.find(connection, stream), "seconds": window.seconds, "start": window.start}
        _MARK.run_for_each(connection, [{**key, "taken": WAITING}])
    connection.execute(delete(CHANGES).where(CHANGES.c.seq == seq))


def give_back(connection: Connection) -> None:
    """Let the windows of a bundle that was never completed wait again."""
    connection.execute(update(CHANGES).values(seq=WAITING))
