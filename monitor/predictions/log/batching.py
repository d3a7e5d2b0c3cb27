"""Converts parsed requests to what the store accepts: batches of predictions and outcomes, and rejected records."""

import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.rejected_record import RejectedRecord, without_secrets
from monitor.predictions.log.batch import Batch, concatenate, encode, hashes, sampled, split
from monitor.predictions.log.rows import Fields, by_field, columns, join, transpose
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.call_columns import with_calls
from monitor.predictions.texts.measuring import SignalMeter
from monitor.records import Stream
from monitor.store.outcomes import NewOutcomes
from monitor.store.predictions import INGESTED, NewBatch
from monitor.store.quarantine import Quarantined
from monitor.store.texts import StoredTexts
from monitor.times.columns import Micros


def assemble(group: Sequence[ParsedRequest], kind: RecordKind) -> list[tuple[Stream, pa.RecordBatch]]:
    """The rows of many requests as columns, one batch per stream."""
    structs: dict[tuple[Stream, type], list[tuple[Sequence[Any], Micros]]] = {}
    alike: list[tuple[Sequence[Any], Micros]] = []
    before: tuple[Stream | None, type] = (None, object)
    fields: dict[tuple[Stream, Hashable], list[Fields]] = {}
    batches_by_stream: dict[Stream, list[pa.RecordBatch]] = {}
    for part in (part for request in group if request.kind is kind for part in request.parts):
        if isinstance(part.rows, pa.RecordBatch):
            batches_by_stream.setdefault(part.stream, []).append(part.rows)
        elif isinstance(part.rows, Fields):
            fields.setdefault((part.stream, part.rows.kind), []).append(part.rows)
        else:
            kind_of_rows = type(part.rows[0])
            if (
                part.stream is not before[0] or kind_of_rows is not before[1]
            ):  # seldom: a stream is hashed in Python
                before = part.stream, kind_of_rows
                alike = structs.setdefault((part.stream, kind_of_rows), [])
            alike.append((part.rows, part.times))
    for (stream, _), chunks in structs.items():
        rows = list(chain.from_iterable(part for part, _ in chunks))
        moments: list[int] = [int(time) for _, times in chunks for time in times]
        with_their_calls = with_calls(rows, moments)
        if with_their_calls is not None:
            batches_by_stream.setdefault(stream, []).append(with_their_calls)
            continue
        ordered = by_field(transpose(rows), moments)
        fields.setdefault((stream, ordered.kind), []).append(ordered)
    for (stream, _), field_parts in fields.items():
        batches_by_stream.setdefault(stream, []).append(columns(join(field_parts)))
    return [(stream, concatenate(batches)) for stream, batches in batches_by_stream.items()]


def ingested(
    group: Sequence[ParsedRequest], settings: PredictionSettings, meter: SignalMeter
) -> tuple[list[NewBatch], list[StoredTexts]]:
    """The predictions of many requests as batches, and the texts of their calls."""
    batches: list[NewBatch] = []
    texts: list[StoredTexts] = []
    for stream, assembled in assemble(group, RecordKind.PREDICTIONS):
        rows, kept = meter.separate(stream, assembled)
        texts += kept
        batches += [
            new_batch(batch, settings, os.urandom(INGESTED))
            for batch in split(stream, rows, int(settings.base_window))
        ]
    return batches, texts


def new_batch(batch: Batch, settings: PredictionSettings, digest: bytes = b"") -> NewBatch:
    """A batch for the store. Without `digest` it is identified by its content, as batches of history are."""
    blob = encode(sampled(batch.rows, batch.ids, settings.sample_of(batch.stream)))
    return NewBatch(
        batch.stream,
        batch.window,
        batch.rows.num_rows,
        float(np.asarray(batch.rows.column("timestamp")).max()) / 1e6,
        digest or blake2b(blob, digest_size=16).digest(),
        batch.ids.astype("<u8").tobytes(),
        blob,
        _failed(batch.rows),
    )


def _failed(rows: pa.RecordBatch) -> int:
    """The number of rows with an error."""
    if "error" not in rows.schema.names:
        return 0
    return int(rows.num_rows - rows.column("error").null_count)


def received_outcomes(group: Sequence[ParsedRequest], now: float) -> list[NewOutcomes]:
    """The outcomes of many requests."""
    return [new_outcomes(stream, rows, now) for stream, rows in assemble(group, RecordKind.OUTCOMES)]


def new_outcomes(stream: Stream, rows: pa.RecordBatch, now: float) -> NewOutcomes:
    """Outcomes for the store, with the time of their arrival."""
    ids = hashes(rows).astype("<u8").tobytes()
    rows = rows.append_column("received", pa.array(np.full(rows.num_rows, now)))
    return NewOutcomes(stream, rows.num_rows, os.urandom(16), ids, encode(rows))


def quarantined(group: Sequence[ParsedRequest], now: float) -> list[Quarantined]:
    """Quarantine entries for rejected records: the first ones of each request, and the number of the others."""
    entries = [entry for request in group if request.rejected for entry in _quarantined_of(request, now)]
    stored = without_secrets([entry.rejected for entry in entries])
    return [replace(entry, rejected=one) for entry, one in zip(entries, stored, strict=True)]


def _quarantined_of(request: ParsedRequest, now: float) -> Iterator[Quarantined]:
    yield from (_quarantined_record(request.kind, record, now) for record in request.rejected)
    for unlisted in request.unlisted.values():
        yield _quarantined_record(request.kind, unlisted.example, now, unlisted.count)


def _quarantined_record(kind: RecordKind, record: RejectedRecord, now: float, count: int = 1) -> Quarantined:
    return Quarantined(now, kind.value, record.reason, record.rejected, count)
