"""What a request holds, checked: rows by stream, and what is refused. Nothing is stored here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

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


@dataclass(slots=True)
class Submission:
    """A request after checking. `request` is None when a resend of it could not be told from new data."""

    kind: Kind
    size: int
    parts: dict[Stream, list[Row] | list[OutcomeRow]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    request: Request | None = None

    @property
    def accepted(self) -> int:
        """Records that are taken."""
        return sum(len(rows) for rows in self.parts.values())


def read(kind: Kind, body: bytes, content_type: str, rules: Rules, idempotency_key: str = "") -> Submission:
    """Check a request's records one by one.

    Raises:
        InputError: nothing in the body can be read as records.
    """
    records = bodies.records(body, content_type)
    submission = Submission(kind, len(body))
    reader: Callable[..., tuple[Stream, Row | OutcomeRow]] = (
        read_prediction if kind is Kind.PREDICTIONS else read_outcome
    )
    seen: dict[tuple[Stream, str], int] = {}
    for index, record in enumerate(records):
        try:
            if isinstance(record, RecordError):
                raise record
            stream, row = reader(record, rules)
            if kind is Kind.PREDICTIONS:
                _once(seen, stream, row, index)
                submission.ignored |= ignored(record)
            submission.parts.setdefault(stream, []).append(row)  # type: ignore[arg-type]
        except RecordError as error:
            submission.refused.append(_refusal(index, record, error, rules))
    if idempotency_key or all(_tells_itself_apart(record) for record in records):
        submission.request = identify(kind, body, rules.client, idempotency_key)
    return submission


def identify(kind: Kind, body: bytes, client: str, idempotency_key: str) -> Request:
    """The key under which a request is remembered: the one that the sender named, or its content."""
    content = hashlib.blake2b(body, digest_size=16, person=kind.value.encode()).digest()
    if not idempotency_key:
        return Request(content, content)
    named = "\0".join((kind.value, client, idempotency_key)).encode()
    return Request(hashlib.blake2b(named, digest_size=16, person=b"key").digest(), content)


def _tells_itself_apart(record: object) -> bool:
    """Two equal records without id and time may well be two predictions, so equal content is no proof of a resend."""
    return isinstance(record, dict) and (record.get("id") is not None or record.get("timestamp") is not None)


def _once(seen: dict[tuple[Stream, str], int], stream: Stream, row: Row | OutcomeRow, index: int) -> None:
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
