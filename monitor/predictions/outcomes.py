"""Outcomes find their predictions by id, whenever they come.

New outcomes are held against the whole log of their stream, newest batches first; what finds nothing waits, and is
held against each batch of predictions that comes later. What was found is written beside the batch of predictions in
the same transaction, so a field is told once, however often it was sent: the first value stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.predictions.batches import concatenate, decode, encode
from monitor.predictions.fields import OUTCOME_FIELDS
from monitor.predictions.known import Known
from monitor.predictions.search import Hits, Wanted, search
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions
from monitor.store.outcomes import NewOutcomes, OutcomeCounts, StoredOutcomes

_MOST_ROWS = 10_000
"""New outcomes of one transaction: history must not keep those waiting who send predictions."""
_MERGE_FROM = 32
"""Waiting batches are merged into one when there are this many."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """The outcomes of one call: their batches, and where each row came from."""

    batches: Sequence[StoredOutcomes]
    hashes: np.ndarray
    owner: np.ndarray
    row: np.ndarray
    decoded: dict[int, pa.RecordBatch] = field(default_factory=dict)

    @classmethod
    def of(cls, batches: Sequence[StoredOutcomes]) -> "_Pool":
        hashes = [np.frombuffer(batch.ids, "<u8") for batch in batches]
        owner = np.repeat(np.arange(len(batches)), [len(some) for some in hashes])
        row = np.concatenate([np.arange(len(some)) for some in hashes])
        return cls(batches, np.concatenate(hashes), owner, row)

    @property
    def is_new(self) -> np.ndarray:
        return np.take([not batch.waiting for batch in self.batches], self.owner)

    def take(self, chosen: np.ndarray) -> pa.RecordBatch:
        """The chosen outcomes, in their order."""
        parts = []
        for owner in np.unique(self.owner[chosen]):
            mine = chosen[self.owner[chosen] == owner]
            parts.append(self._decoded(int(owner)).take(pa.array(self.row[mine])))
        return concatenate(parts)

    def _decoded(self, owner: int) -> pa.RecordBatch:
        """A batch is read once, however many batches of predictions it is about."""
        if owner not in self.decoded:
            self.decoded[owner] = decode(self.batches[owner].blob)
        return self.decoded[owner]


def join(connection: Connection, stream: Stream, now: float) -> list[tuple[Window, pa.RecordBatch]]:
    """Match outcomes with logged predictions, and return what became known: one joined batch for each batch touched.

    A joined batch has the prediction's columns and `outcome.truth`, `outcome.reviewed`, `outcome.corrected`,
    `outcome.feedback` and `outcome.delay` (seconds from prediction to truth), null where nothing new is known.
    Run it in the transaction that counts what it returns: it will not be returned again. Of very many new outcomes the
    oldest are taken; call it again for the rest.
    """
    unsearched = predictions.unsearched(connection, stream)
    new = outcomes.pending(connection, stream, waiting=False, most_rows=_MOST_ROWS)
    waiting = outcomes.pending(connection, stream, waiting=True) if unsearched else []
    joined: list[tuple[Window, pa.RecordBatch]] = []
    if new or waiting:
        pool = _Pool.of(sorted([*waiting, *new], key=lambda batch: batch.id))
        found = _find(connection, stream, pool, unsearched)
        matched = np.zeros(len(pool.hashes), bool)
        for batch, hits in found.items():
            part = _tell(connection, stream, batch, hits, pool, matched, now)
            joined += [part] if part is not None else []
        _settle(connection, stream, pool, matched)
    predictions.mark_searched(connection, [batch for batch, _ in unsearched])
    return joined


def with_known(connection: Connection, batch: predictions.StoredBatch) -> pa.RecordBatch | None:
    """All that is known by now of a batch's predictions, as a joined batch: for counting the log again."""
    blob = outcomes.known(connection, batch.id)
    return None if blob is None else Known.of(blob).join(decode(batch.blob))


def give_up(connection: Connection, stream: Stream, before: float, now: float) -> int:
    """Stop waiting for the predictions of outcomes that came in before; they are counted as unmatched."""
    given_up = 0
    for batch in outcomes.pending(connection, stream, waiting=True):
        if batch.received_at >= before:
            continue
        rows = decode(batch.blob)
        keep = np.flatnonzero(np.asarray(rows.column("received")) >= before)
        given_up += rows.num_rows - len(keep)
        outcomes.remove(connection, [batch.id])
        _wait(connection, stream, rows.take(pa.array(keep)), np.frombuffer(batch.ids, "<u8")[keep])
    if given_up:
        outcomes.add(connection, stream, OutcomeCounts(unmatched=given_up), now)
    return given_up


def _find(
    connection: Connection, stream: Stream, pool: _Pool, unsearched: Sequence[tuple[int, bytes]]
) -> dict[int, Hits]:
    """Which rows of which batches the outcomes are about; each outcome is about one row at most."""
    wanted = Wanted(pool.hashes, np.ones(len(pool.hashes), bool))
    found = search(wanted, [list(reversed(unsearched))])
    older = Wanted(pool.hashes, wanted.open & pool.is_new)
    if older.open.any():
        found |= search(older, predictions.searched_ids(connection, stream))
    return found


def _tell(
    connection: Connection,
    stream: Stream,
    batch: int,
    hits: Hits,
    pool: _Pool,
    matched: np.ndarray,
    now: float,
) -> tuple[Window, pa.RecordBatch] | None:
    """Write what became known of one batch's rows, and return it joined; None when all of it was known before."""
    stored = predictions.batch(connection, stream, batch)
    rows = decode(stored.blob)
    told = pool.take(hits.wanted)
    if "id" not in rows.schema.names:  # equal hashes of different things
        return None
    ids = rows.column("id").take(pa.array(hits.rows))
    same = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(ids, told.column("id")), False)))
    same = same[np.argsort(np.asarray(told.column("received"))[same], kind="stable")]
    matched[hits.wanted[same]] = True
    known = Known.of(outcomes.known(connection, batch))
    news = known.news(hits.rows[same], told.take(pa.array(same)), rows)
    fields = sum(
        told.num_rows - told.column(name).null_count for name in OUTCOME_FIELDS if name in told.schema.names
    )
    counts = OutcomeCounts(matched=len(same), repeated=max(0, fields - news.fields))
    outcomes.add(connection, stream, counts, now)
    if news.is_empty:
        return None
    outcomes.put_known(connection, batch, known.plus(news).encode())
    return stored.window, news.join(rows)


def _settle(connection: Connection, stream: Stream, pool: _Pool, matched: np.ndarray) -> None:
    """Take away what matched; let the rest wait, in few batches."""
    touched = {int(owner) for owner in np.unique(pool.owner[matched])}
    waiting = [index for index, batch in enumerate(pool.batches) if batch.waiting]
    merge = set(waiting) if len(waiting) >= _MERGE_FROM else set()
    rewritten = {index for index, batch in enumerate(pool.batches) if not batch.waiting} | touched | merge
    outcomes.remove(connection, [pool.batches[index].id for index in rewritten])
    left = np.flatnonzero(~matched & np.isin(pool.owner, list(rewritten)))
    if len(left):
        _wait(connection, stream, pool.take(left), pool.hashes[left])


def _wait(connection: Connection, stream: Stream, rows: pa.RecordBatch, ids: np.ndarray) -> None:
    if rows.num_rows == 0:
        return
    blob = encode(rows)
    oldest = float(pc.min(rows.column("received")).as_py())
    digest = blake2b(blob, digest_size=16).digest()
    batch = NewOutcomes(stream, rows.num_rows, digest, ids.astype("<u8").tobytes(), blob)
    outcomes.put(connection, [batch], oldest, waiting=True)
