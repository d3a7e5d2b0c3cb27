"""What requests hold, made ready for the store: batches of predictions and of outcomes, and what was refused."""

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.predictions.batches import Batch, concatenate, encode, hashes, sampled, split
from monitor.predictions.intake import Kind, Refusal, Submission
from monitor.predictions.rows import Fields, by_field, columns, join, turned
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.times import Micros
from monitor.records import Stream
from monitor.store.outcomes import NewOutcomes
from monitor.store.predictions import INGESTED, NewBatch
from monitor.store.quarantine import Quarantined

_KEPT_OF_A_REQUEST = 100


def assemble(group: Sequence[Submission], kind: Kind) -> list[tuple[Stream, pa.RecordBatch]]:
    """The rows of many requests as columns, one batch a stream."""
    structs: dict[tuple[Stream, type], list[tuple[Sequence[Any], Micros]]] = {}
    fields: dict[tuple[Stream, Hashable], list[Fields]] = {}
    found: dict[Stream, list[pa.RecordBatch]] = {}
    for part in (part for one in group if one.kind is kind for part in one.parts):
        if isinstance(part.rows, pa.RecordBatch):
            found.setdefault(part.stream, []).append(part.rows)
        elif isinstance(part.rows, Fields):
            fields.setdefault((part.stream, part.rows.kind), []).append(part.rows)
        else:
            structs.setdefault((part.stream, type(part.rows[0])), []).append((part.rows, part.times))
    for (stream, _), some in structs.items():
        rows = list(chain.from_iterable(rows for rows, _ in some))
        ordered = by_field(turned(rows), list(chain.from_iterable(times for _, times in some)))
        fields.setdefault((stream, ordered.kind), []).append(ordered)
    for (stream, _), several in fields.items():
        found.setdefault(stream, []).append(columns(join(several)))
    return [(stream, concatenate(batches)) for stream, batches in found.items()]


def ingested(group: Sequence[Submission], settings: PredictionSettings) -> list[NewBatch]:
    """The predictions of many requests as batches."""
    return [
        new_batch(batch, settings, os.urandom(INGESTED))
        for stream, rows in assemble(group, Kind.PREDICTIONS)
        for batch in split(stream, rows, int(settings.base_window))
    ]


def new_batch(batch: Batch, settings: PredictionSettings, digest: bytes = b"") -> NewBatch:
    """A batch as the store takes it; without a `digest` it is known by its content, as history is."""
    blob = encode(sampled(batch.rows, batch.ids, settings.sample_of(batch.stream)))
    return NewBatch(
        batch.stream,
        batch.window,
        batch.rows.num_rows,
        float(np.asarray(batch.rows.column("timestamp")).max()) / 1e6,
        digest or blake2b(blob, digest_size=16).digest(),
        batch.ids.astype("<u8").tobytes(),
        blob,
    )


def told(group: Sequence[Submission], now: float) -> list[NewOutcomes]:
    """The outcomes of many requests."""
    return [new_outcomes(stream, rows, now) for stream, rows in assemble(group, Kind.OUTCOMES)]


def new_outcomes(stream: Stream, rows: pa.RecordBatch, now: float) -> NewOutcomes:
    """Outcomes as the store takes them, with the time when they came in."""
    ids = hashes(rows).astype("<u8").tobytes()
    rows = rows.append_column("received", pa.array(np.full(rows.num_rows, now)))
    return NewOutcomes(stream, rows.num_rows, os.urandom(16), ids, encode(rows))


def refused(group: Sequence[Submission], now: float) -> list[Quarantined]:
    """What is kept of refused records: the first ones of each request, and the number of the rest."""
    return [kept for one in group if one.refused for kept in _refused(one, now)]


def _refused(submission: Submission, now: float) -> Iterator[Quarantined]:
    first, rest = submission.refused[:_KEPT_OF_A_REQUEST], submission.refused[_KEPT_OF_A_REQUEST:]
    yield from (_quarantined(submission.kind, refusal, now) for refusal in first)
    examples = {refusal.reason: refusal for refusal in reversed(rest)}
    for reason, count in Counter(refusal.reason for refusal in rest).items():
        yield _quarantined(submission.kind, examples[reason], now, count)


def _quarantined(kind: Kind, refusal: Refusal, now: float, count: int = 1) -> Quarantined:
    return Quarantined(now, kind.value, refusal.reason, refusal.rejected, count)
