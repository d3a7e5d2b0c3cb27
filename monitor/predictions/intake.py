"""What a request holds, checked: rows by stream, and what is refused. Nothing is stored here."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions import bodies
from monitor.predictions.schema import (
    OutcomeRow,
    RecordError,
    Row,
    Rules,
    ignored,
    read_outcome,
    read_prediction,
)
from monitor.predictions.shapes import Shapes
from monitor.predictions.times import column_of_micros
from monitor.records import Rejected, Stream
from monitor.store.requests import Request

KEPT_OF_A_RECORD = 4096
"""Bytes of a refused record that are kept for looking at."""


class Kind(StrEnum):
    """What a request is about."""

    PREDICTIONS = "predictions"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused record, and the short name under which it is counted."""

    reason: str
    rejected: Rejected


@dataclass(frozen=True, slots=True)
class Part:
    """Accepted rows of one stream: structs of one type with their times in µs, or columns already."""

    stream: Stream
    rows: Sequence[Any] | pa.RecordBatch
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.times)


@dataclass(slots=True)
class Submission:
    """A request after checking. `request` is None when a resend of it could not be told from new data."""

    kind: Kind
    size: int
    parts: list[Part] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    request: Request | None = None

    @property
    def accepted(self) -> int:
        """Records that are taken."""
        return sum(map(len, self.parts))


def read(
    kind: Kind, body: bytes, content_type: str, rules: Rules, shapes: Shapes, idempotency_key: str = ""
) -> Submission:
    """Check a request's records: all at once where they have the shape that is known, else one by one.

    Raises:
        InputError: nothing in the body can be read as records.
    """
    if kind is Kind.PREDICTIONS:
        submission = _read_fast(body, content_type, rules, shapes, idempotency_key)
        if submission is not None:
            return submission
    return _read_one_by_one(kind, body, content_type, rules, shapes, idempotency_key)


def identify(kind: Kind, body: bytes, client: str, idempotency_key: str) -> Request:
    """The key under which a request is remembered: the one that the sender named, or its content."""
    content = hashlib.sha256(kind.value.encode())  # what current processors compute fastest
    content.update(body)
    digest = content.digest()[:16]
    if not idempotency_key:
        return Request(digest, digest)
    named = "\0".join((kind.value, client, idempotency_key)).encode()
    return Request(hashlib.sha256(named).digest()[:16], digest)


def _read_fast(
    body: bytes, content_type: str, rules: Rules, shapes: Shapes, idempotency_key: str
) -> Submission | None:
    """The rows of a body in which every record has the shape of its stream and nothing is to be told about."""
    shape = shapes.guess(body, rules.client)
    if shape is None or (rules.client and shape.stream.client != rules.client):
        return None
    form = "lines" if bodies.is_lines(content_type) else "many" if body.lstrip()[:1] == b"[" else "one"
    rows = shape.decode(body, form, bool(rules.client))
    if not rows:
        return None
    ids = [row.id for row in rows if row.id is not None]
    if len(set(ids)) < len(ids):
        return None
    if any(row.prediction is None and row.error is None for row in rows):
        return None
    times = column_of_micros([row.timestamp for row in rows], rules.now)
    if times is None or times.min() < rules.earliest * 1e6 or times.max() > rules.latest * 1e6:
        return None
    submission = Submission(
        Kind.PREDICTIONS, len(body), [Part(shape.stream, rows, times)], ignored=shape.ignored
    )
    if idempotency_key or all(row.id is not None or row.timestamp is not None for row in rows):
        submission.request = identify(Kind.PREDICTIONS, body, rules.client, idempotency_key)
    return submission


def _read_one_by_one(
    kind: Kind, body: bytes, content_type: str, rules: Rules, shapes: Shapes, idempotency_key: str
) -> Submission:
    records = bodies.records(body, content_type)
    submission = Submission(kind, len(body))
    reader: Callable[..., tuple[Stream, Row | OutcomeRow]] = (
        read_prediction if kind is Kind.PREDICTIONS else read_outcome
    )
    seen: dict[tuple[Stream, str], int] = {}
    found: dict[Stream, list[Row | OutcomeRow]] = {}
    for index, record in enumerate(records):
        try:
            if isinstance(record, RecordError):
                raise record
            stream, row = reader(record, rules)
            if isinstance(row, Row):
                _once(seen, stream, row, index)
                extra = ignored(record)
                shapes.learn(stream, row, extra)
                submission.ignored |= extra
            else:
                shapes.admit(stream)
            found.setdefault(stream, []).append(row)
        except RecordError as error:
            submission.refused.append(_refusal(index, record, error, rules))
    for stream, rows in found.items():
        times = np.fromiter((row.timestamp for row in rows), np.int64, len(rows))
        submission.parts.append(Part(stream, rows, times))
    if idempotency_key or all(_tells_itself_apart(record) for record in records):
        submission.request = identify(kind, body, rules.client, idempotency_key)
    return submission


def _tells_itself_apart(record: object) -> bool:
    """Two equal records without id and time may well be two predictions: equal content is no proof of a resend."""
    return isinstance(record, dict) and (record.get("id") is not None or record.get("timestamp") is not None)


def _once(seen: dict[tuple[Stream, str], int], stream: Stream, row: Row, index: int) -> None:
    if row.id is None:
        return
    first = seen.setdefault((stream, row.id), index)
    if first != index:
        hint = "each prediction needs its own id; the first one was taken"
        raise RecordError("repeated_id", f"id {row.id!r} is also that of record {first}", hint=hint)


def _refusal(index: int, record: object, error: RecordError, rules: Rules) -> Refusal:
    fields = record if isinstance(record, dict) else {}
    client = rules.client or str(fields.get("client") or "")[: rules.settings.max_label]
    model = str(fields.get("model") or "")[: rules.settings.max_label]
    kept = b"" if isinstance(record, RecordError) else msgspec.json.encode(record)[:KEPT_OF_A_RECORD]
    return Refusal(error.reason, Rejected(index, error.message, error.hint, client, model, kept))
