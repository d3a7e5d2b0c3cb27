"""Erases the records of persons, or everything of a client, wherever it is stored.

Figures that were counted from erased records stay: they name nobody. Each batch is rewritten in one transaction, so an
interrupted erasure is complete after it was run again.
"""

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.maintenance.restored_erasures import EVERYTHING
from monitor.predictions.log.batch import compacted, decode, encode
from monitor.predictions.log.hashing import hash_texts
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.records import Stream
from monitor.store import audit, erased_rows, erasing, outcomes, profile_versions, streams, waiting_calls
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.erased_rows import StoredRows
from monitor.visible import counted

STAYS = (
    "counts, profiles and measurements: they name nobody, but labels of categories may be values of erased records",
    "the audit log: it names users and keys, and erased records only by the HMAC of this receipt",
    "backups, until you delete them",
)
_LABELS = "alerts, notifications and silences about a segment: its value is in their names"
"""What stays besides, where records with a value in a segment are erased."""


@dataclass(frozen=True, slots=True)
class ErasureSubject:
    """Which records are meant: those with one of these ids, or those with a value in a segment or feature.

    With `times`, in microseconds, those without an id that have one of these times too.
    """

    ids: frozenset[str] = frozenset()
    column: str = ""
    value: str = ""
    times: frozenset[int] = frozenset()

    def mask(self, rows: pa.RecordBatch) -> np.ndarray:
        """Which rows are meant: bool, shape (n,)."""
        by_id = not self.column
        wanted = pa.array(sorted(self.ids) if by_id else [self.value], pa.string())
        names = ["id"] if by_id else [f"segments.{self.column}", f"features.{self.column}"]
        is_erased = np.zeros(rows.num_rows, bool)
        for name in names:
            if name in rows.schema.names:
                values = rows.column(name)
                if not pa.types.is_nested(values.type):
                    is_erased |= np.asarray(pc.is_in(values.cast(pa.string()), wanted).fill_null(False))
        if self.times:
            is_named = np.asarray(rows.column("id").is_valid()) if "id" in rows.schema.names else False
            moments = np.asarray(rows.column("timestamp").cast(pa.int64()).fill_null(-1))
            is_erased |= ~np.logical_or(is_named, ~np.isin(moments, sorted(self.times)))
        return is_erased

    @property
    def names(self) -> list[str]:
        """What identifies them."""
        return sorted(self.ids) or [f"{self.column}={self.value}"]


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was erased. `subjects` are HMAC-SHA256 values of the ids under `key`: whoever knows an id can find it here,
    nobody else. `unreadable` are damaged batches, which may hold more. `is_rewritten`: no page of an SQLite
    database holds copies of what was erased.
    """

    client: str
    at: float
    removed: dict[str, int]
    subjects: tuple[str, ...] = ()
    key: str = ""
    unreadable: int = 0
    is_overwritten: bool = True
    is_rewritten: bool = True
    stays: tuple[str, ...] = STAYS


@dataclass
class _Work:
    store: Store
    client: str
    subject: ErasureSubject
    removed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


def erase_records(
    store: Store,
    client: str,
    subject: ErasureSubject,
    now: float,
    who: str,
    address: str,
    key: str = "",
    *,
    is_alone: bool = False,
    others: Sequence[str] = (),
) -> ErasureReceipt:
    """Erase the records of `subject`, while daemons run unless this process `is_alone`. `key` is the key of the
    receipt; empty makes one. `others` are the names of sources that read for other clients alone.

    Raises:
        StoreError: the database cannot be used. Run it again.
    """
    work = _Work(store, client, subject)
    with store.read() as connection:
        mine = [stream for stream in streams.streams(connection) if stream.client == client]
    for stream in mine:
        # The predictions go last: after an interruption, they still say which texts and outcomes are meant.
        named = subject if subject.ids else _named(work, stream)
        _rewrite(work, stream, erased_rows.OUTCOMES, named)
        _rewrite(work, stream, erased_rows.TEXTS, named)
        _rewrite(work, stream, erased_rows.TEXTS, subject)
        _rewrite(work, stream, erased_rows.SAMPLES, subject)
        with store.write() as connection:
            of = client if subject.ids else stream
            work.removed["scores"] += erased_rows.delete_scores(connection, of, sorted(named.ids))
        _erase_predictions(work, stream)
    with store.write() as connection:
        _erase_searched(connection, work, others)
    key = key or secrets.token_hex(32)
    subjects = tuple(pseudonym(key, name) for name in subject.names)
    _enter(
        store,
        client,
        now,
        who,
        address,
        f"erase {counted(work.removed.total(), 'record')}, receipt {subjects[0][:16]}",
    )
    removed = {name: count for name, count in sorted(work.removed.items()) if count}
    is_overwritten = erasing.overwrite_deleted(store)
    is_rewritten = erasing.rewrite(store, is_alone=is_alone)
    stays = STAYS if subject.ids else (*STAYS, _LABELS)
    return ErasureReceipt(
        client, now, removed, subjects, key, work.unreadable, is_overwritten, is_rewritten, stays
    )


def erase_client(
    store: Store, client: str, now: float, who: str, address: str, sources: Sequence[str] = ()
) -> ErasureReceipt:
    """Erase everything of a client but the audit log. Nobody else may use the database: daemons remember streams.
    `sources` are the names of those that read for this client alone.

    Raises:
        StoreError: the database cannot be used; nothing was erased.
    """
    with store.write() as connection:
        removed = erasing.of_client(connection, client, sources)
        _add(connection, client, now, who, address, f"{EVERYTHING}: {sum(removed.values())} rows")
    stays = (STAYS[1].replace(", and erased records only by the HMAC of this receipt", ""), STAYS[2])
    is_overwritten = erasing.overwrite_deleted(store)
    is_rewritten = erasing.rewrite(store, is_alone=True)
    return ErasureReceipt(
        client, now, removed, is_overwritten=is_overwritten, is_rewritten=is_rewritten, stays=stays
    )


def pseudonym(key: str, name: str) -> str:
    """The HMAC-SHA256 of a name, as in a receipt."""
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()


def _enter(store: Store, client: str, now: float, who: str, address: str, what: str) -> None:
    with store.write() as connection:
        _add(connection, client, now, who, address, what)


def _add(connection: Connection, client: str, now: float, who: str, address: str, what: str) -> None:
    audit.add(connection, [AuditEntry(now, who, address, "erase", client, what, 200)])


def _named(work: _Work, stream: Stream) -> ErasureSubject:
    """The predictions that are meant, by their ids and times: texts and outcomes have neither segments nor features."""
    ids: set[str] = set()
    times: set[int] = set()
    for stored in erased_rows.each(work.store, stream, erased_rows.PREDICTIONS):
        with work.store.faults.isolate(stored.kind.name, f"{stored.id}: erasing"):
            rows = decode(stored.blob)
            meant = rows.filter(pa.array(work.subject.mask(rows)))
            own = meant.column("id") if "id" in meant.schema.names else pa.nulls(meant.num_rows, pa.string())
            ids.update(own.drop_null().to_pylist())
            times.update(meant.column("timestamp").filter(own.is_null()).cast(pa.int64()).to_pylist())
    return ErasureSubject(frozenset(ids), times=frozenset(times))


def _erase_searched(connection: Connection, work: _Work, others: Sequence[str]) -> None:
    """Erase in tables whose rows are searched for the texts that identify the records."""
    ids = sorted(work.subject.ids)
    is_meant = erasing.naming(ids) if ids else erasing.holding([work.subject.value])
    for name in ("quarantine", "waiting_calls", "waiting_runs"):
        work.removed[name] += erasing.delete_holding(connection, name, is_meant, work.client)
    work.removed["half_calls"] += erasing.delete_halves(connection, is_meant, others)
    work.removed["diagnoses"] += erasing.delete_diagnoses(connection, work.client, is_meant)
    # Nobody can read these.
    work.removed["waiting_calls"] += waiting_calls.delete_texts(connection, work.client)


def _erase_predictions(work: _Work, stream: Stream) -> None:
    wanted = hash_texts(pa.array(sorted(work.subject.ids), pa.string())) if work.subject.ids else None
    for stored in erased_rows.each(work.store, stream, erased_rows.PREDICTIONS):
        ids = np.frombuffer(stored.ids, "<u8")
        # The other way of NumPy 2.0 overflows for 64-bit hashes.
        if wanted is not None and not np.isin(ids, wanted, kind="sort").any():
            continue
        if _found(work, stored, work.subject).any():
            with work.store.write() as connection:
                # Concurrent matching of outcomes must start again.
                profile_versions.advance(connection, stream, stored.start)
                present = erased_rows.one(connection, stored)
                if present is not None:
                    work.removed["prediction_batches"] += _without(connection, work, present)


def _without(connection: Connection, work: _Work, stored: StoredRows) -> int:
    """Rewrite a batch of predictions without what is meant; the number of rows removed."""
    rows = decode(stored.blob)
    is_kept = ~work.subject.mask(rows)
    kept = compacted(rows.filter(pa.array(is_kept)))
    ids = np.frombuffer(stored.ids, "<u8")[is_kept]
    known = outcomes.known(connection, [stored.id]).get(stored.id)
    erased_rows.put(connection, stored, encode(kept), kept.num_rows, ids.tobytes())
    if known is not None:
        own = KnownOutcomes.of(known).rows
        numbers = np.asarray(own.column("row"))
        inside = is_kept[numbers]
        renumbered = (np.cumsum(is_kept) - 1)[numbers[inside]]
        left = own.filter(pa.array(inside))
        left = left.set_column(left.schema.get_field_index("row"), "row", pa.array(renumbered, pa.int64()))
        outcomes.forget(connection, [stored.id])
        if left.num_rows:
            outcomes.put_known(connection, {stored.id: KnownOutcomes(compacted(left)).encode()})
        work.removed["known_outcomes"] += int((~inside).sum())
    return int((~is_kept).sum())


def _rewrite(work: _Work, stream: Stream, kind: erased_rows.BatchTable, subject: ErasureSubject) -> None:
    for stored in erased_rows.each(work.store, stream, kind):
        if not stored.blob or not _found(work, stored, subject).any():
            continue
        with work.store.write() as connection:
            present = erased_rows.one(connection, stored)
            if present is None:
                continue
            rows = decode(present.blob)
            is_kept = ~subject.mask(rows)
            kept = compacted(rows.filter(pa.array(is_kept)))
            ids = np.frombuffer(present.ids, "<u8")[is_kept].tobytes() if present.ids else b""
            erased_rows.put(connection, present, encode(kept), kept.num_rows, ids)
            work.removed[kind.name] += int((~is_kept).sum())


def _found(work: _Work, stored: StoredRows, subject: ErasureSubject) -> np.ndarray:
    """Which rows are meant; none of a damaged batch, which is counted."""
    with work.store.faults.isolate(stored.kind.name, f"{stored.id}: erasing"):
        return subject.mask(decode(stored.blob))
    work.unreadable += 1
    return np.zeros(0, bool)
