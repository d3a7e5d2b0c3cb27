"""Erases the records of persons, or everything of a client, wherever it is stored.

Figures that were counted from erased records stay: they name nobody. Each batch is rewritten in one transaction, so an
interrupted erasure is complete after it was run again.
"""

import hashlib
import hmac
import secrets
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.predictions.log.batch import compacted, decode, encode
from monitor.predictions.log.hashing import hash_texts
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.records import Stream
from monitor.store import audit, erased_rows, erasing, outcomes, profile_versions, streams, waiting_calls
from monitor.store.audit import Entry
from monitor.store.db import Store
from monitor.store.erased_rows import StoredRows
from monitor.visible import counted

STAYS = (
    "counts, profiles and measurements: they name nobody, but labels of categories may be values of erased records",
    "the audit log: it names users and keys, and erased records only by the HMAC of this receipt",
    "backups, until you delete them",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Which records are meant: those with one of these ids, or those with a value in a segment or feature."""

    ids: frozenset[str] = frozenset()
    column: str = ""
    value: str = ""

    def mask(self, rows: pa.RecordBatch) -> np.ndarray:
        """Which rows are meant: bool, shape (n,)."""
        wanted = pa.array(sorted(self.ids) if self.ids else [self.value], pa.string())
        names = ["id"] if self.ids else [f"segments.{self.column}", f"features.{self.column}"]
        is_erased = np.zeros(rows.num_rows, bool)
        for name in names:
            if name in rows.schema.names:
                values = rows.column(name)
                if not pa.types.is_nested(values.type):
                    is_erased |= np.asarray(pc.is_in(values.cast(pa.string()), wanted).fill_null(False))
        return is_erased

    @property
    def names(self) -> list[str]:
        """What identifies them."""
        return sorted(self.ids) or [f"{self.column}={self.value}"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased. `subjects` are HMAC-SHA256 values of the ids under `key`: whoever knows an id can find it here,
    nobody else. `unreadable` are damaged batches, which may hold more.
    """

    client: str
    at: float
    removed: dict[str, int]
    subjects: tuple[str, ...] = ()
    key: str = ""
    unreadable: int = 0
    is_overwritten: bool = True
    stays: tuple[str, ...] = STAYS


@dataclass
class _Work:
    store: Store
    client: str
    subject: Subject
    removed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


def erase_records(
    store: Store, client: str, subject: Subject, now: float, who: str, address: str, key: str = ""
) -> Receipt:
    """Erase the records of `subject`, while daemons run. `key` is the key of the receipt; empty makes one.

    Raises:
        StoreError: the database cannot be used. Run it again.
    """
    work = _Work(store, client, subject)
    with store.read() as connection:
        mine = [stream for stream in streams.streams(connection) if stream.client == client]
    for stream in mine:
        _erase_predictions(work, stream)
        _rewrite(work, stream, erased_rows.OUTCOMES)
        _rewrite(work, stream, erased_rows.TEXTS)
        _rewrite(work, stream, erased_rows.SAMPLES)
    is_meant = erasing.holding(sorted(subject.ids) or [subject.value])
    with store.write() as connection:
        work.removed["scores"] += erased_rows.delete_scores(connection, client, sorted(subject.ids))
        work.removed["quarantine"] += erasing.delete_holding(connection, "quarantine", is_meant, client)
        work.removed["half_calls"] += erasing.delete_holding(connection, "half_calls", is_meant)
        work.removed["waiting_calls"] += erasing.delete_holding(connection, "waiting_calls", is_meant, client)
        work.removed["waiting_runs"] += erasing.delete_holding(connection, "waiting_runs", is_meant, client)
        work.removed["waiting_calls"] += waiting_calls.delete_texts(
            connection, client
        )  # nobody can read them
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
    return Receipt(client, now, removed, subjects, key, work.unreadable, is_overwritten)


def erase_client(store: Store, client: str, now: float, who: str, address: str) -> Receipt:
    """Erase everything of a client but the audit log. Nobody else may use the database: daemons remember streams.

    Raises:
        StoreError: the database cannot be used; nothing was erased.
    """
    with store.write() as connection:
        removed = erasing.of_client(connection, client)
        _add(connection, client, now, who, address, f"erase everything: {sum(removed.values())} rows")
    stays = (STAYS[1].replace(", and erased records only by the HMAC of this receipt", ""), STAYS[2])
    return Receipt(client, now, removed, is_overwritten=erasing.overwrite_deleted(store), stays=stays)


def pseudonym(key: str, name: str) -> str:
    """The HMAC-SHA256 of a name, as in a receipt."""
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()


def _enter(store: Store, client: str, now: float, who: str, address: str, what: str) -> None:
    with store.write() as connection:
        _add(connection, client, now, who, address, what)


def _add(connection: Connection, client: str, now: float, who: str, address: str, what: str) -> None:
    audit.add(connection, [Entry(now, who, address, "erase", client, what, 200)])


def _erase_predictions(work: _Work, stream: Stream) -> None:
    wanted = hash_texts(pa.array(sorted(work.subject.ids), pa.string())) if work.subject.ids else None
    for stored in erased_rows.each(work.store, stream, erased_rows.PREDICTIONS):
        ids = np.frombuffer(stored.ids, "<u8")
        # The other way of NumPy 2.0 overflows for 64-bit hashes.
        if wanted is not None and not np.isin(ids, wanted, kind="sort").any():
            continue
        if _found(work, stored).any():
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


def _rewrite(work: _Work, stream: Stream, kind: erased_rows.BatchTable) -> None:
    for stored in erased_rows.each(work.store, stream, kind):
        if not stored.blob or not _found(work, stored).any():
            continue
        with work.store.write() as connection:
            present = erased_rows.one(connection, stored)
            if present is None:
                continue
            rows = decode(present.blob)
            is_kept = ~work.subject.mask(rows)
            kept = compacted(rows.filter(pa.array(is_kept)))
            ids = np.frombuffer(present.ids, "<u8")[is_kept].tobytes() if present.ids else b""
            erased_rows.put(connection, present, encode(kept), kept.num_rows, ids)
            work.removed[kind.name] += int((~is_kept).sum())


def _found(work: _Work, stored: StoredRows) -> np.ndarray:
    """Which rows are meant; none of a damaged batch, which is counted."""
    with work.store.faults.isolate(stored.kind.name, f"{stored.id}: erasing"):
        return work.subject.mask(decode(stored.blob))
    work.unreadable += 1
    return np.zeros(0, bool)
