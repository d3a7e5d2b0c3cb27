"""Cuts a large request into slices that are stored one by one, so that no commit is long.

A slice is known by the ids of its rows: if the daemon is killed in between and the request is sent again, slices that
are stored are not stored again. The last slice also holds the key of the whole request, its rejected records, and is
stored only if all others are.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import pyarrow as pa
from sqlalchemy import Connection

from monitor.errors import WatchkeeperError
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import Answer, IntakeResult, receipt_of, used_before
from monitor.predictions.log import batching
from monitor.predictions.log.batch import split, without_unused_entries
from monitor.predictions.log.store_rows import StoreRows
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.records import Stream
from monitor.store import idempotency
from monitor.store.idempotency import RequestKey
from monitor.store.predictions import INGESTED

SLICE_BYTES = 200_000
"""From this number of encoded bytes on, a slice is complete."""
_SLICE_BATCHES = 30
"""Most batches of a slice: each is some statements."""
_SLICE_SCORES = 1000
_PIECE_VALUES = 28_000
"""Most values that are encoded together."""
_PIECE_BYTES = 500_000
_PIECE_ROWS = (16, 4096)
_SCORE_BYTES, _BATCH_BYTES, _LEAST_BYTES = 100, 8000, 500
"""What a score, a batch and a slice are counted for while they wait: they take as long as so many bytes."""
_TIME_BYTES = 7


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one stream that are stored together, and what they are known by."""

    rows: StoreRows
    count: int
    name: bytes

    @property
    def batches(self) -> int:
        return len(self.rows.predictions) + len(self.rows.outcomes)


class Whole:
    """A request in slices, which is answered once: after its last slice, or when one of them fails."""

    def __init__(self, answer: Answer, slices: Sequence[ParsedRequest]) -> None:
        self._answer = answer
        self._last = slices[-1]
        self._accepted = sum(one.accepted for one in slices)
        self.is_over = False
        """Whether it was answered. Slices that still wait are then not stored, above all not the last."""
        for one in slices:
            one.whole = self

    def answer_of(self, one: ParsedRequest) -> Answer:
        """What is called with the result of a slice."""
        return lambda result: self._answered(one, result)

    def _answered(self, one: ParsedRequest, result: IntakeResult | WatchkeeperError) -> None:
        if self.is_over or (isinstance(result, IntakeResult) and one is not self._last):
            return
        self.is_over = True
        if isinstance(result, IntakeResult):
            result = msgspec.structs.replace(result, accepted=self._accepted)
        self._answer(result)
        del self._last  # which refers to this


def is_over(request: ParsedRequest) -> bool:
    """Whether a request is a slice of one that was answered already."""
    return isinstance(request.whole, Whole) and request.whole.is_over


def stored_before(
    connection: Connection, slices: Sequence[ParsedRequest]
) -> IntakeResult | WatchkeeperError | None:
    """The answer to a request that was stored completely before; None for a new one."""
    last = slices[-1]
    names = [] if last.request is None else [last.request, *last.aliases]
    contents = idempotency.contents_of(connection, [name.key for name in names])
    if any(contents.get(name.key, name.content) != name.content for name in names):
        return used_before()
    if contents:
        accepted = sum(one.accepted for one in slices)
        return msgspec.structs.replace(receipt_of(last, replayed=True), accepted=accepted)
    return None


def cut(
    parsed: ParsedRequest, settings: PredictionSettings, meter: SignalMeter, now: float
) -> list[ParsedRequest]:
    """The slices of a request, in the order in which they are stored; at least one."""
    groups = list(_grouped(_pieces(parsed, settings, meter, now)))
    scores = [parsed.scores[at : at + _SLICE_SCORES] for at in range(0, len(parsed.scores), _SLICE_SCORES)]
    slices = [_slice(parsed, group, _key(parsed, group)) for group in groups[:-1]]
    slices += [  # the first of each counts, so they need no key
        ParsedRequest(
            parsed.kind, _SCORE_BYTES * len(some), scores=some, rows=StoreRows(), sender=parsed.sender
        )
        for some in scores[:-1]
    ]
    last = _slice(parsed, groups[-1] if groups else [], parsed.request)
    rejected = StoreRows(quarantined=batching.quarantined([parsed], now))
    assert isinstance(last.rows, StoreRows)
    last.rows = StoreRows.joined([last.rows, rejected])
    last.aliases, last.only_scored = parsed.aliases, parsed.only_scored
    last.rejected, last.unlisted, last.ignored = parsed.rejected, parsed.unlisted, parsed.ignored
    if scores:
        last.scores = scores[-1]
    return [*slices, last]


def _slice(parsed: ParsedRequest, group: Sequence[_Piece], request: RequestKey | None) -> ParsedRequest:
    rows = StoreRows.joined([piece.rows for piece in group])
    batches = len(rows.predictions) + len(rows.outcomes)
    size, count = rows.size + _LEAST_BYTES + _BATCH_BYTES * batches, sum(piece.count for piece in group)
    return ParsedRequest(parsed.kind, size, rows=rows, encoded=count, request=request, sender=parsed.sender)


def _key(parsed: ParsedRequest, group: Sequence[_Piece]) -> RequestKey | None:
    """The key of a slice: what it holds of which request. It starts like the key of the request, which is a time."""
    if parsed.request is None:
        return None
    key = parsed.request.key
    name = blake2b(key, digest_size=16 - _TIME_BYTES)
    name.update(f"{parsed.accepted} {parsed.rejected_count}".encode())
    for piece in group:
        name.update(piece.name)
    return RequestKey(key[:_TIME_BYTES] + name.digest(), parsed.request.content)


def _grouped(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    size = batches = 0
    for piece in pieces:
        more = piece.rows.size
        if group and (size + more > SLICE_BYTES or batches + piece.batches > _SLICE_BATCHES):
            yield group
            group, size, batches = [], 0, 0
        group.append(piece)
        size, batches = size + more, batches + piece.batches
    if group:
        yield group


def _pieces(
    parsed: ParsedRequest, settings: PredictionSettings, meter: SignalMeter, now: float
) -> Iterator[_Piece]:
    for stream, rows in batching.assemble([parsed], parsed.kind):
        for start, chunk in _chunks(rows, 0):
            if parsed.kind is RecordKind.OUTCOMES:
                made = batching.new_outcomes(stream, chunk, now)
                yield _Piece(StoreRows(outcomes=[made]), made.rows, _name(stream, start, made.ids))
            else:
                yield from _of_predictions(stream, start, chunk, settings, meter)


def _of_predictions(
    stream: Stream, start: int, chunk: pa.RecordBatch, settings: PredictionSettings, meter: SignalMeter
) -> Iterator[_Piece]:
    plain, texts = meter.separate(stream, chunk)
    batches = split(stream, plain, int(settings.base_window))
    for at in range(0, len(batches), _SLICE_BATCHES):
        some = [
            batching.new_batch(batch, settings, os.urandom(INGESTED))
            for batch in batches[at : at + _SLICE_BATCHES]
        ]
        ids = b"".join(batch.ids for batch in some)
        rows = StoreRows(predictions=some, texts=texts if at == 0 else ())
        yield _Piece(rows, sum(batch.rows for batch in some), _name(stream, start, ids))


def _name(stream: Stream, start: int, ids: bytes) -> bytes:
    return f"{stream} {start} {len(ids)} ".encode() + ids


def _chunks(rows: pa.RecordBatch, start: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows in parts that are encoded together, each with its first row."""
    least, most = _PIECE_ROWS
    step = max(least, min(most, _PIECE_VALUES // rows.num_columns))
    if rows.num_rows <= step and rows.nbytes <= _PIECE_BYTES:
        yield start, rows
        return
    for at in range(0, rows.num_rows, step):
        yield from _halves(without_unused_entries(rows.slice(at, step)), start + at)


def _halves(rows: pa.RecordBatch, start: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows in as few parts as are small enough; a single row is one of any size."""
    if rows.nbytes <= _PIECE_BYTES or rows.num_rows == 1:
        yield start, rows
        return
    half = rows.num_rows // 2
    yield from _halves(without_unused_entries(rows.slice(0, half)), start)
    yield from _halves(without_unused_entries(rows.slice(half)), start + half)
