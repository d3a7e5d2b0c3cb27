"""What sites have delivered: each bundle once, and of each window the newest profile of each epoch of a site.

Natural keys: (site, epoch, seq) of a bundle; (site, epoch, stream, length, start) of a window. A window that is
delivered again replaces the one before if its bundle is a later one, so the order of bundles does not matter.
"""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    func,
    select,
    update,
)

from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.db import faults_of, metadata
from monitor.store.retention import Aged
from monitor.store.rows import blob, moment, whole_number, words
from monitor.store.statements import insert_new, replace
from monitor.text_limits import NAME

BUNDLES = Table(
    "site_bundles",
    metadata,
    Column("site", String(NAME), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("client", String(NAME), nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("windows", Integer, nullable=False),
    Column("until", Float, nullable=True),
    Column("is_judging", Boolean, nullable=False),
    Column("note", Text, nullable=False),
)
WINDOWS = Table(
    "site_windows",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("site", String(NAME), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("layout", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("bases", LargeBinary, nullable=False),
    Column("is_merged", Boolean, nullable=False),
    Index("ix_site_windows_waiting", "stream", "layout", "is_merged"),
)
AGED = Aged(WINDOWS, ("stream", "seconds"))
_KEY = ("stream", "seconds", "start", "site", "epoch")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A bundle of a site that was merged. Times are in seconds since the epoch.

    `until` is the end of its newest window, `is_judging` whether the site's own rules judge its models. `note` says
    what is wrong with it, although it was merged.
    """

    site: str
    epoch: str
    seq: int
    client: str
    number: int
    parent: str
    digest: str
    previous: str
    made_at: float
    received_at: float
    windows: int
    until: float | None = None
    is_judging: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class SiteWindow:
    """The profile of a window in one epoch of a site. `bases` are encoded: what it was when epochs began.

    `is_merged`: the profile of the stream's window has it.
    """

    site: str
    epoch: str
    seq: int
    layout: str
    blob: bytes
    bases: bytes = b""
    is_merged: bool = False


def add(connection: Connection, bundle: Delivered) -> bool:
    """Enter a bundle; False if one with this site, epoch and number is there."""
    names = [column.name for column in BUNDLES.columns]
    return bool(insert_new(connection, BUNDLES, [{name: getattr(bundle, name) for name in names}], ("seq",)))


def find(connection: Connection, site: str, epoch: str, seq: int) -> Delivered | None:
    """One bundle."""
    c = BUNDLES.c
    bundles = _bundles(connection, c.site == site, c.epoch == epoch, c.seq == seq)
    return bundles[0] if bundles else None


def delivered(connection: Connection, site: str = "") -> list[Delivered]:
    """The bundles of one site or of all, in the order in which they were made."""
    return _bundles(connection, *([BUNDLES.c.site == site] if site else []))


def judging(connection: Connection) -> frozenset[str]:
    """The sites whose own rules judge their models, by their newest bundle."""
    newest: dict[str, Delivered] = {one.site: one for one in _newest(connection)}
    return frozenset(site for site, one in newest.items() if one.is_judging)


def _newest(connection: Connection) -> list[Delivered]:
    c = BUNDLES.c
    order = (c.number.desc(), c.seq.desc())
    place = func.row_number().over(partition_by=c.site, order_by=order).label("place")
    inner = select(BUNDLES, place).subquery()
    rows = connection.execute(select(inner).where(inner.c.place == 1)).all()
    return [_bundle(row) for row in rows]


def newest(connection: Connection, site: str) -> Delivered | None:
    """The last bundle that a site has made, of those that arrived."""
    return next((one for one in _newest(connection) if one.site == site), None)


def of_window(connection: Connection, stream: Stream, window: Window) -> list[SiteWindow]:
    """What all sites have delivered for a window, in order of site and epoch."""
    c = WINDOWS.c
    here = (c.stream == streams.find(connection, stream), c.seconds == window.seconds)
    query = select(WINDOWS).where(*here, c.start == window.start).order_by(c.site, c.epoch)
    faults, windows = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("site_windows", f"{stream} from {row.start} of {row.site}"):
            windows.append(_window(row))
    return windows


def put(connection: Connection, stream: Stream, window: Window, delivered: SiteWindow, now: float) -> None:
    """Insert or replace what a site has delivered for a window."""
    row = {name: getattr(delivered, name) for name in WINDOWS.columns.keys() if name not in _KEY[:3]}  # noqa: SIM118
    row |= {"stream": streams.key(connection, stream, now), "seconds": window.seconds, "start": window.start}
    replace(connection, WINDOWS, [row], _KEY)


def mark(connection: Connection, stream: Stream, window: Window, layout: str) -> None:
    """Record that the window's profile has what sites delivered for it with this layout, and nothing else."""
    c = WINDOWS.c
    here = (
        c.stream == streams.find(connection, stream),
        c.seconds == window.seconds,
        c.start == window.start,
    )
    connection.execute(update(WINDOWS).where(*here).values(is_merged=c.layout == layout))


def unmerged(connection: Connection, stream: Stream, layout: str, most: int) -> list[Window]:
    """Windows with this layout that wait to be merged, oldest first."""
    c = WINDOWS.c
    mine = (c.stream == streams.find(connection, stream), c.layout == layout, c.is_merged.is_(False))
    query = select(c.seconds, c.start).where(*mine).distinct().order_by(c.start).limit(most)
    return [Window(row.start, row.start + row.seconds) for row in connection.execute(query)]


def has_layout(connection: Connection, stream: Stream, site: str, layout: str) -> bool:
    """Whether a site has delivered windows of a stream that were counted by this layout."""
    c = WINDOWS.c
    mine = (c.stream == streams.find(connection, stream), c.site == site, c.layout == layout)
    return connection.execute(select(c.start).where(*mine).limit(1)).first() is not None


def streams_of(connection: Connection) -> dict[str, list[Stream]]:
    """The streams that each site has delivered windows of."""
    s, c = streams.STREAMS.c, WINDOWS.c
    query = select(c.site, s.client, s.model, s.environment).join(WINDOWS, s.id == c.stream).distinct()
    by_site: dict[str, list[Stream]] = {}
    for row in connection.execute(query):
        by_site.setdefault(row.site, []).append(Stream(row.client, row.model, row.environment))
    return {site: sorted(of_site) for site, of_site in sorted(by_site.items())}


def _bundles(connection: Connection, *where: object) -> list[Delivered]:
    c = BUNDLES.c
    query = select(BUNDLES).where(*where).order_by(c.site, c.number, c.epoch, c.seq)  # type: ignore[arg-type]
    faults, bundles = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("site_bundles", f"{row.site} {row.seq}"):
            bundles.append(_bundle(row))
    return bundles


def _bundle(row: Row[tuple[object, ...]]) -> Delivered:
    return Delivered(
        words(row.site), words(row.epoch), whole_number(row.seq), words(row.client), whole_number(row.number),
        words(row.parent), words(row.digest), words(row.previous), moment(row.made_at),
        moment(row.received_at), whole_number(row.windows), None if row.until is None else moment(row.until),
        bool(row.is_judging), words(row.note),
    )  # fmt: skip


def _window(row: Row[tuple[object, ...]]) -> SiteWindow:
    return SiteWindow(
        words(row.site), words(row.epoch), whole_number(row.seq), words(row.layout), blob(row.blob),
        blob(row.bases), bool(row.is_merged),
    )  # fmt: skip
