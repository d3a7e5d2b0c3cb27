"""The audit log: who read which client's data, and who changed what, as one hash chain for each client.

Entries are only added, and deleted by age. The hash of an entry covers the entry and the hash before it, so that a row
that is changed, removed or inserted breaks the chain (`monitor.store.audit_check`). Entries about no single client have
a chain of their own, of the client "". Writers take turns: two of them never continue the same row.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    func,
    select,
)

from monitor.store.db import faults_of, metadata
from monitor.store.rows import FARTHEST, blob, moment, whole_number, words
from monitor.store.text_values import fitted
from monitor.text_limits import NAME

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
    Column("sequence", BigInteger, nullable=True),
    Column("hash", LargeBinary, nullable=True),
    Index("uq_audit_client_sequence", "client", "sequence", unique=True),
)
checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("key", String(16), nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

DAEMON = "daemon"
"""The name in entries about what the daemon does by itself."""
FIRST_HASH = bytes(32)
"""What stands for the hash before the first entry of a chain."""
_VERSION = b"1"
_LARGEST = 2**31 - 1
_LOCK = int.from_bytes(b"wk audit", "big") >> 1


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of one person. `outcome` is the HTTP status; `times` is how often it happened within the minute."""

    at: float
    who: str
    address: str
    action: str
    client: str
    target: str
    outcome: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry in its chain: its number there, from 1, and its hash. Entries from before chains have none."""

    entry: AuditEntry
    id: int
    sequence: int | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the chain of a client was at a time: its last number and hash, signed with the key of this id."""

    client: str
    sequence: int
    hash: bytes
    at: float
    key: str = ""
    signature: bytes = b""


def add(connection: Connection, new: Iterable[AuditEntry]) -> None:
    """Append entries, each to the chain of its client. Values that a column cannot hold are fitted to it.

    Raises:
        SQLAlchemyError: they cannot be written. A change is made in the same transaction, and is then not made.
    """
    rows: list[dict[str, Any]] = []
    ends: dict[str, tuple[int, bytes]] = {}
    for entry in sorted(
        map(fit, new), key=attrgetter("client")
    ):  # in one order, so that no two writers wait in turn
        if entry.client not in ends:
            ends[entry.client] = end(connection, entry.client, lock=True)
        sequence, before = ends[entry.client]
        digest = hash_of(entry, sequence + 1, before)
        ends[entry.client] = sequence + 1, digest
        row = {name: getattr(entry, name) for name in AuditEntry.__slots__}
        rows.append(row | {"sequence": sequence + 1, "hash": digest})
    if rows:
        connection.execute(entries.insert(), rows)


def note(
    connection: Connection,
    now: float,
    who: str,
    what: str,
    client: str = "",
    *,
    action: str = "change",
) -> None:
    """Append one entry about what `who` does, in the transaction that does it."""
    add(connection, [AuditEntry(now, who, "", action, client, what, 200)])


def fit(entry: AuditEntry) -> AuditEntry:
    """The entry as every database stores it."""
    at = entry.at if -FARTHEST < entry.at < FARTHEST else 0.0
    texts = {name: fitted(getattr(entry, name), _LENGTHS[name]) for name in _TEXTS}
    outcome, times = (min(max(value, 0), _LARGEST) for value in (entry.outcome, entry.times))
    return replace(entry, at=at, outcome=outcome, times=times, **texts)


_LENGTHS = {"who": 256, "address": 64, "action": 32, "client": NAME, "target": 512}
_TEXTS = tuple(_LENGTHS)


def hash_of(entry: AuditEntry, sequence: int, before: bytes) -> bytes:
    """The hash of an entry that follows the one with the hash `before`."""
    microseconds = round(entry.at * 1e6)
    texts = [getattr(entry, name) for name in _TEXTS]
    content = msgspec.json.encode([sequence, microseconds, *texts, entry.outcome, entry.times])
    return hashlib.sha256(before + _VERSION + len(content).to_bytes(8, "big") + content).digest()


def end(connection: Connection, client: str, *, lock: bool = False) -> tuple[int, bytes]:
    """Number and hash of the last entry of a chain; of its anchor if all entries were deleted by age.

    With `lock`, no other writer continues the chain before this transaction ends.
    """
    if lock and connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(client.encode()).digest()[:4], "big")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK ^ number})")
    for table in (entries, checkpoints):
        mine = (table.c.client == client, table.c.sequence.is_not(None))
        query = select(table.c.sequence, table.c.hash).where(*mine).order_by(table.c.sequence.desc()).limit(1)
        row = connection.execute(query).first()
        if row is not None:
            return int(row.sequence), blob(row.hash)
    return 0, FIRST_HASH


@dataclass(frozen=True, slots=True)
class AuditFilter:
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


def latest(connection: Connection, client: str = "", limit: int = 200) -> list[AuditEntry]:
    """The newest entries, of one client or of all, the newest first."""
    return find(connection, AuditFilter(client), 0, limit)


def count(connection: Connection, wanted: AuditFilter) -> int:
    """How many entries fit."""
    query = select(func.count()).select_from(entries).where(*_conditions(wanted))
    return int(connection.scalar(query) or 0)


def count_strangers(connection: Connection, since: float) -> int:
    """How many requests of people and programs without access there were."""
    total = select(func.coalesce(func.sum(entries.c.times), 0))
    return int(connection.scalar(total.where(entries.c.at >= since, entries.c.who == "stranger")) or 0)


def actions(connection: Connection) -> list[str]:
    """The actions that entries are of, in order."""
    return [str(one) for one in connection.scalars(select(entries.c.action).distinct()) if one is not None]


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    c = entries.c
    conditions: list[ColumnElement[bool]] = [c.at >= wanted.start, c.at < wanted.end]
    equal = ((c.client, wanted.client), (c.action, wanted.action))
    conditions += [column == value for column, value in equal if value]
    within = ((c.who, wanted.who), (c.address, wanted.address), (c.target, wanted.target))
    conditions += [
        func.lower(column).contains(text.lower(), autoescape=True) for column, text in within if text
    ]
    return conditions


def find(connection: Connection, wanted: AuditFilter, offset: int = 0, limit: int = 100) -> list[AuditEntry]:
    """The entries that fit, newest first, from the one with number `offset` on; those that can be read."""
    return [link.entry for link in links(connection, wanted, offset, limit)]


def links(
    connection: Connection, wanted: AuditFilter, offset: int = 0, limit: int = 100
) -> list[ChainedEntry]:
    """As `find`, with their places in the chains."""
    query = select(entries).where(*_conditions(wanted)).order_by(entries.c.id.desc())
    query = query.offset(offset).limit(limit)
    faults, readable = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("audit", str(row.id)):
            readable.append(link_of(row))
    return readable


def link_of(row: Row[Any]) -> ChainedEntry:
    """The entry in a row.

    Raises:
        ValueError: a value is not what its column holds.
        TypeError: a value has another type.
    """
    texts = [words(getattr(row, name)) for name in _TEXTS]
    who, address, action, client, target = texts
    figures = whole_number(row.outcome), whole_number(row.times)
    entry = AuditEntry(moment(row.at), who, address, action, client, target, *figures)
    if row.sequence is None:
        return ChainedEntry(entry, row.id, None, b"")
    return ChainedEntry(entry, row.id, whole_number(row.sequence), blob(row.hash))
