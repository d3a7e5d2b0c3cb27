"""Matches outcomes to predictions by id, in any order of arrival.

New outcomes are searched in the whole log of their stream, newest windows first. Those without a match wait, and are
searched in each batch of predictions that arrives later. `join` searches and reads; `commit` stores the outcomes beside
the batches of predictions, in the transaction that writes the profiles that count them. So each field of a prediction
counts once, however often it was sent: the first value is kept. Fields that are united (`relevant`) grow instead: what
was counted before stands beside what is known now, and is taken back when the whole is counted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.predictions.fields import OUTCOME_FIELDS
from monitor.predictions.log.batch import decode, encode
from monitor.predictions.log.stored_rows import decoded
from monitor.predictions.outcomes.id_index import Matches, WantedHashes, search
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.predictions.outcomes.pending import MOST_BYTES, PendingOutcomes, first_of, size_of
from monitor.records import Stream, Window
from monitor.store import outcomes, predictions, profile_versions
from monitor.store.outcomes import NOTHING, NewOutcomes, OutcomeCounts
from monitor.store.predictions import StoredBatch

_UNUSED = ("features.", "attributions.")
"""What outcomes are not counted with, unless a feature is asked for."""
_MAX_OUTCOMES = 10_000
"""Maximum number of new outcomes per search."""
_MAX_BATCHES = 200
"""Maximum number of older batches changed in one transaction: senders of predictions wait for it."""
_MERGE_FROM, _SMALL_BYTES = 32, 250_000
"""Number of small waiting batches from which they are merged into one, and how large a small one is."""
_MOST_WAITING = 10_000
"""Waiting batches that are searched."""


@dataclass(frozen=True, slots=True)
class MatchedOutcomes:
    """New outcomes of one batch of predictions. `known` encodes all known outcomes of the batch, including the new
    ones.

    `joined` holds the predictions with new outcomes, without features but those that were asked for, and the columns
    `outcome.truth`, `outcome.reviewed`, `outcome.corrected`, `outcome.feedback`, `outcome.relevant` (with
    `outcome.relevant_before`) and `outcome.delay` (seconds from prediction to truth), null where nothing is new.
    """

    batch: int
    window: Window
    known: bytes
    joined: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Outcomes without a match that are stored again: as waiting, or as new if the search was incomplete."""

    batch: NewOutcomes
    received_at: float
    waiting: bool


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The result of a search, and the rows to write for it. `more`: further outcomes can be joined at once."""

    matched: Sequence[MatchedOutcomes] = ()
    counts: OutcomeCounts = NOTHING
    done: Sequence[int] = ()
    requeued: Sequence[Unmatched] = ()
    searched: Sequence[int] = ()
    more: bool = False


def join(
    connection: Connection,
    stream: Stream,
    last: int | None = None,
    only: Sequence[int] = (),
    features: Collection[str] = (),
) -> JoinResult:
    """Search outcomes in the log, up to the batch numbered `last`; of the batches that were not searched before, in
    `only` these. Writes nothing. `features` are the columns of features to keep beside the outcomes.

    The result is valid while the stream's profile version is unchanged.
    """
    unsearched = (
        predictions.unsearched_among(connection, only)
        if only
        else predictions.unsearched(connection, stream, last)
    )
    searched = [batch for batch, _ in unsearched]
    arrived = outcomes.pending(connection, stream, waiting=False, most_rows=_MAX_OUTCOMES)
    new = first_of(arrived)
    waiting = outcomes.pending(connection, stream, waiting=True, limit=_MOST_WAITING) if unsearched else []
    if not (new or waiting):
        return JoinResult(searched=searched)
    pool = PendingOutcomes.of(connection, [*waiting, *new])
    matches, is_complete = _find(connection, stream, pool, unsearched)
    matched = np.zeros(len(pool.hashes), bool)
    matched_outcomes, repeated, left = _match(connection, stream, matches, pool, matched, features)
    postponed = np.zeros(len(pool.hashes), bool)
    for batch in left:
        postponed[matches[batch].wanted] = True
    is_again = postponed | (pool.is_new & (not is_complete or bool(left)))
    done, requeued = _remaining(stream, pool, matched, is_again)
    matched_count = int(matched.sum())
    is_cut = not is_complete or bool(left) or sum(batch.rows for batch in new) >= _MAX_OUTCOMES
    has_more = len(new) < len(arrived) or (matched_count > 0 and is_cut)
    return JoinResult(
        matched_outcomes,
        OutcomeCounts(matched=matched_count, repeated=repeated),
        done,
        requeued,
        [batch for batch in searched if batch not in left],
        has_more,
    )


def read_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read the outcomes that `join` searches for of each of these streams."""
    outcomes.read_pending_ahead(connection, some, {False: outcomes.MOST, True: _MOST_WAITING})


def commit(connection: Connection, results: Mapping[Stream, JoinResult], now: float) -> None:
    """Write the results. Call it in the transaction that writes the profiles, after checking the profile versions."""
    for stream, joining in results.items():
        outcomes.put_known(connection, {entry.batch: entry.known for entry in joining.matched})
        outcomes.remove(connection, joining.done)
        for entry in joining.requeued:
            outcomes.put_back(connection, entry.batch, entry.received_at, waiting=entry.waiting)
        if joining.counts != NOTHING:
            outcomes.add(connection, stream, joining.counts, now)
    predictions.mark_searched(connection, [batch for result in results.values() for batch in result.searched])


def with_outcomes_of(connection: Connection, batch: StoredBatch) -> pa.RecordBatch | None:
    """The predictions of a batch with all their known outcomes, as a joined batch; None without outcomes. For
    recounting.
    """
    blob = outcomes.known(connection, [batch.id]).get(batch.id)
    return None if blob is None else KnownOutcomes.of(blob).join(decode(batch.blob))


def expire_outcomes(connection: Connection, stream: Stream, before: float, now: float) -> int:
    """Give up the search for outcomes that arrived before `before`. They are counted as unmatched. Returns their
    number.
    """
    waiting = outcomes.pending(connection, stream, waiting=True)
    old = [batch for batch in waiting if batch.received_at < before]
    if old:
        profile_versions.advance(connection, stream, now)  # concurrent matching must start again
    expired = 0
    for batch in old:
        rows = decode(outcomes.rows_of(connection, batch.id))
        kept_rows = np.flatnonzero(np.asarray(rows.column("received")) >= before)
        expired += rows.num_rows - len(kept_rows)
        outcomes.remove(connection, [batch.id])
        if len(kept_rows):
            remaining = _unmatched(
                stream, rows.take(pa.array(kept_rows)), np.frombuffer(batch.ids, "<u8")[kept_rows], True
            )
            outcomes.put_back(connection, remaining.batch, remaining.received_at, waiting=True)
    if expired:
        outcomes.add(connection, stream, OutcomeCounts(unmatched=expired), now)
    return expired


def _find(
    connection: Connection, stream: Stream, pool: PendingOutcomes, unsearched: Sequence[tuple[int, bytes]]
) -> tuple[dict[int, Matches], bool]:
    """The matching rows per batch, and whether the search is complete. An outcome matches one row."""
    wanted = WantedHashes(pool.hashes, np.ones(len(pool.hashes), bool))
    matches, _ = search(wanted, [list(reversed(unsearched))])
    older = WantedHashes(pool.hashes, wanted.open & pool.is_new)
    if not older.open.any():
        return matches, True
    more, is_complete = search(older, predictions.searched_ids(connection, stream), _MAX_BATCHES)
    return matches | more, is_complete


def _match(
    connection: Connection,
    stream: Stream,
    matches: dict[int, Matches],
    pool: PendingOutcomes,
    matched: np.ndarray,
    features: Collection[str],
) -> tuple[list[MatchedOutcomes], int, set[int]]:
    """The new outcomes of the matched batches, the number of fields that were known before, and the batches that are
    left for later, because there would be too much in memory.

    Marks the outcomes that match a row in `matched`.
    """
    results: list[MatchedOutcomes] = []
    repeated, size = 0, 0
    for batch, rows in decoded(connection, predictions.some(connection, stream, list(matches))):
        if size > MOST_BYTES:
            return results, repeated, {number for number in matches if number >= batch.id}
        if "id" not in rows.schema.names:  # equal hashes of unequal ids
            continue
        outcome_rows, row_numbers = _verified(rows, matches[batch.id], pool, matched)
        known = KnownOutcomes.of(outcomes.known(connection, [batch.id]).get(batch.id))
        new = known.new_outcomes(row_numbers, outcome_rows, rows)
        repeated += max(0, _fields(outcome_rows) - new.fields)
        if not new.is_empty:
            present = rows.schema.names
            kept = [name for name in present if not name.startswith(_UNUSED) or name in features]
            answers = rows.select(kept)
            joined = new.join(answers)
            size += joined.nbytes
            results.append(MatchedOutcomes(batch.id, batch.window, known.plus(new).encode(), joined))
    return results, repeated, set()


def _verified(
    rows: pa.RecordBatch, matches: Matches, pool: PendingOutcomes, matched: np.ndarray
) -> tuple[pa.RecordBatch, np.ndarray]:
    """The outcomes whose ids equal those of the rows, in order of arrival, and the row numbers."""
    outcome_rows = pool.take(matches.wanted)
    ids = rows.column("id").take(pa.array(matches.rows))
    equal = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(ids, outcome_rows.column("id")), False)))
    equal = equal[np.argsort(np.asarray(outcome_rows.column("received"))[equal], kind="stable")]
    matched[matches.wanted[equal]] = True
    return outcome_rows.take(pa.array(equal)), matches.rows[equal]


def _fields(outcome_rows: pa.RecordBatch) -> int:
    present = [outcome_rows.column(name) for name in OUTCOME_FIELDS if name in outcome_rows.schema.names]
    return sum(len(values) - values.null_count for values in present)


def _remaining(
    stream: Stream, pool: PendingOutcomes, matched: np.ndarray, is_again: np.ndarray
) -> tuple[list[int], list[Unmatched]]:
    """The batches of outcomes that are finished, and the outcomes to store again, in few batches: those that are to be
    searched again (`is_again`) as new ones.
    """
    touched = {int(owner) for owner in np.unique(pool.owner[matched | (is_again & ~pool.is_new)])}
    waiting = [
        index for index, batch in enumerate(pool.batches) if batch.waiting and size_of(batch) < _SMALL_BYTES
    ]
    merge = set(waiting) if len(waiting) >= _MERGE_FROM else set()
    rewritten = {index for index, batch in enumerate(pool.batches) if not batch.waiting} | touched | merge
    is_open = ~matched & np.isin(pool.owner, list(rewritten))
    requeued = [
        _unmatched(stream, pool.take(indices), pool.hashes[indices], waits)
        for waits, chosen in ((True, is_open & ~is_again), (False, is_open & is_again))
        for indices in pool.in_parts(np.flatnonzero(chosen))
    ]
    return [pool.batches[index].id for index in sorted(rewritten)], requeued


def _unmatched(stream: Stream, rows: pa.RecordBatch, ids: np.ndarray, waiting: bool) -> Unmatched:
    blob = encode(rows)
    digest = blake2b(blob, digest_size=16).digest()
    batch = NewOutcomes(stream, rows.num_rows, digest, ids.astype("<u8").tobytes(), blob)
    return Unmatched(batch, float(pc.min(rows.column("received")).as_py()), waiting)
