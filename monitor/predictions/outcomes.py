"""Outcomes find their predictions by id, whenever they come.

New outcomes are held against the whole log of their stream, newest windows first; what finds nothing waits, and is
held against each batch of predictions that comes later. `join` finds and reads; `put_down` writes what it found beside
the batches of predictions, in the transaction that writes the profiles it was counted into. So a field is told once,
however often it was sent: the first value stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.predictions.batches import decode, encode
from monitor.predictions.fields import OUTCOME_FIELDS
from monitor.predictions.known import Known
from monitor.predictions.pool import Pool
from monitor.predictions.search import Hits, Wanted, search
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, revisions
from monitor.store.outcomes import NOTHING, NewOutcomes, OutcomeCounts
from monitor.store.predictions import StoredBatch

_MOST_ROWS = 10_000
"""New outcomes that are looked for at once."""
_MOST_BATCHES = 200
"""Older batches that are changed in one transaction: whoever sends predictions waits for it to end."""
_MERGE_FROM = 32
"""Waiting batches are merged into one when there are this many."""


@dataclass(frozen=True, slots=True)
class News:
    """What became known of one batch of predictions: `known` is all that is known of it now.

    `joined` holds the predictions of which something new is known, without their features, and `outcome.truth`,
    `outcome.reviewed`, `outcome.corrected`, `outcome.feedback` and `outcome.delay` (seconds from prediction to truth),
    null where nothing new is known.
    """

    batch: int
    window: Window
    known: bytes
    joined: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class PutBack:
    """Outcomes that found nothing and are written again: to wait, or as new ones if not all of the log was searched."""

    batch: NewOutcomes
    received_at: float
    waiting: bool


@dataclass(frozen=True, slots=True)
class Joining:
    """What outcomes found, and what is to be written for it. `more`: there are others that can be joined at once."""

    news: Sequence[News] = ()
    counts: OutcomeCounts = NOTHING
    done: Sequence[int] = ()
    put_back: Sequence[PutBack] = ()
    searched: Sequence[int] = ()
    more: bool = False


def join(connection: Connection, stream: Stream, last: int | None = None) -> Joining:
    """Hold outcomes against the log, as far as the batch numbered `last`: what became known. Writes nothing.

    What it returns holds as long as the stream's revision is what it was before.
    """
    unsearched = predictions.unsearched(connection, stream, last)
    searched = [batch for batch, _ in unsearched]
    new = outcomes.pending(connection, stream, waiting=False, most_rows=_MOST_ROWS)
    waiting = outcomes.pending(connection, stream, waiting=True) if unsearched else []
    if not (new or waiting):
        return Joining(searched=searched)
    pool = Pool.of([*waiting, *new])
    found, is_whole = _find(connection, stream, pool, unsearched)
    matched = np.zeros(len(pool.hashes), bool)
    news, repeated = _tell(connection, stream, found, pool, matched)
    done, put_back = _settle(stream, pool, matched, is_whole)
    total = int(matched.sum())
    has_more = total > 0 and (not is_whole or sum(batch.rows for batch in new) >= _MOST_ROWS)
    return Joining(news, OutcomeCounts(matched=total, repeated=repeated), done, put_back, searched, has_more)


def put_down(connection: Connection, stream: Stream, joining: Joining, now: float) -> None:
    """Write what was found. Call it in the transaction that writes the profiles, after the revision was compared."""
    outcomes.put_known(connection, {one.batch: one.known for one in joining.news})
    outcomes.remove(connection, joining.done)
    for one in joining.put_back:
        outcomes.put_back(connection, one.batch, one.received_at, waiting=one.waiting)
    if joining.counts != NOTHING:
        outcomes.add(connection, stream, joining.counts, now)
    predictions.mark_searched(connection, joining.searched)


def with_known(connection: Connection, batch: StoredBatch) -> pa.RecordBatch | None:
    """All that is known by now of a batch's predictions, as a joined batch: for counting the log again."""
    blob = outcomes.known(connection, [batch.id]).get(batch.id)
    return None if blob is None else Known.of(blob).join(decode(batch.blob))


def give_up(connection: Connection, stream: Stream, before: float, now: float) -> int:
    """Stop waiting for the predictions of outcomes that came in before; they are counted as unmatched."""
    old = [
        batch for batch in outcomes.pending(connection, stream, waiting=True) if batch.received_at < before
    ]
    if old:
        revisions.advance(connection, stream, now)  # who is joining them meanwhile has to look again
    given_up = 0
    for batch in old:
        rows = decode(batch.blob)
        keep = np.flatnonzero(np.asarray(rows.column("received")) >= before)
        given_up += rows.num_rows - len(keep)
        outcomes.remove(connection, [batch.id])
        if len(keep):
            left = _written(stream, rows.take(pa.array(keep)), np.frombuffer(batch.ids, "<u8")[keep], True)
            outcomes.put_back(connection, left.batch, left.received_at, waiting=True)
    if given_up:
        outcomes.add(connection, stream, OutcomeCounts(unmatched=given_up), now)
    return given_up


def _find(
    connection: Connection, stream: Stream, pool: Pool, unsearched: Sequence[tuple[int, bytes]]
) -> tuple[dict[int, Hits], bool]:
    """Which rows of which batches the outcomes are about, and whether all was searched; an outcome is about one row."""
    wanted = Wanted(pool.hashes, np.ones(len(pool.hashes), bool))
    found, _ = search(wanted, [list(reversed(unsearched))])
    older = Wanted(pool.hashes, wanted.open & pool.is_new)
    if not older.open.any():
        return found, True
    more, is_whole = search(older, predictions.searched_ids(connection, stream), _MOST_BATCHES)
    return found | more, is_whole


def _tell(
    connection: Connection, stream: Stream, found: dict[int, Hits], pool: Pool, matched: np.ndarray
) -> tuple[list[News], int]:
    """What became known of the batches in which something was found, and how many fields were known before.

    Marks the outcomes that are about a row as `matched`.
    """
    blobs = outcomes.known(connection, list(found))
    news, repeated = [], 0
    for stored in predictions.some(connection, stream, list(found)):
        rows = decode(stored.blob)
        if "id" not in rows.schema.names:  # equal hashes of different things
            continue
        told, where = _about(rows, found[stored.id], pool, matched)
        known = Known.of(blobs.get(stored.id))
        fresh = known.news(where, told, rows)
        repeated += max(0, _fields(told) - fresh.fields)
        if not fresh.is_empty:
            answers = rows.select([name for name in rows.schema.names if not name.startswith("features.")])
            news.append(News(stored.id, stored.window, known.plus(fresh).encode(), fresh.join(answers)))
    return news, repeated


def _about(
    rows: pa.RecordBatch, hits: Hits, pool: Pool, matched: np.ndarray
) -> tuple[pa.RecordBatch, np.ndarray]:
    """The outcomes that really have the ids of some rows, in order of arrival, and those rows' numbers."""
    told = pool.take(hits.wanted)
    ids = rows.column("id").take(pa.array(hits.rows))
    same = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(ids, told.column("id")), False)))
    same = same[np.argsort(np.asarray(told.column("received"))[same], kind="stable")]
    matched[hits.wanted[same]] = True
    return told.take(pa.array(same)), hits.rows[same]


def _fields(told: pa.RecordBatch) -> int:
    present = [told.column(name) for name in OUTCOME_FIELDS if name in told.schema.names]
    return sum(len(values) - values.null_count for values in present)


def _settle(
    stream: Stream, pool: Pool, matched: np.ndarray, is_whole: bool
) -> tuple[list[int], list[PutBack]]:
    """The batches of outcomes that are done with, and what of them is written again, in few batches."""
    touched = {int(owner) for owner in np.unique(pool.owner[matched])}
    waiting = [index for index, batch in enumerate(pool.batches) if batch.waiting]
    merge = set(waiting) if len(waiting) >= _MERGE_FROM else set()
    rewritten = {index for index, batch in enumerate(pool.batches) if not batch.waiting} | touched | merge
    open_still = ~matched & np.isin(pool.owner, list(rewritten))
    is_new = pool.is_new & (not is_whole)
    put_back = [
        _written(stream, pool.take(left), pool.hashes[left], waits)
        for waits, chosen in ((True, open_still & ~is_new), (False, open_still & is_new))
        if len(left := np.flatnonzero(chosen))
    ]
    return [pool.batches[index].id for index in sorted(rewritten)], put_back


def _written(stream: Stream, rows: pa.RecordBatch, ids: np.ndarray, waiting: bool) -> PutBack:
    blob = encode(rows)
    digest = blake2b(blob, digest_size=16).digest()
    batch = NewOutcomes(stream, rows.num_rows, digest, ids.astype("<u8").tobytes(), blob)
    return PutBack(batch, float(pc.min(rows.column("received")).as_py()), waiting)
