"""What a request holds, checked: rows by stream, and what is refused. Nothing is stored here."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions import arrow, bodies
from monitor.predictions.rows import Fields, by_field, turned
from monitor.predictions.schema import (
    OutcomeRow,
    Row,
    Rules,
    ignored,
    read_outcome,
    read_prediction,
)
from monitor.predictions.shapes import Shape, Shapes
from monitor.predictions.sheet import look_through
from monitor.predictions.times import Micros, column_of_micros, micros_of
from monitor.predictions.values import RecordError
from monitor.records import Rejected, Stream
from monitor.store.requests import Request

KEPT_OF_A_RECORD = 4096
"""Bytes of a refused record that are kept for looking at."""
_MANY = 48
"""So many rows are put in order by field at once, while they are in the processor's cache; fewer wait for others."""
_TIME = re.compile(rb'"timestamp" *: *"?([0-9][0-9T:.+Z-]{8,40})')
_BETWEEN_DIGITS = b"T:.+Z-"
_LOOKED_AT_FOR_A_TIME = 4096
"""Bytes of a body in which its first time is looked for."""


class Kind(StrEnum):
    """What a request is about."""

    PREDICTIONS = "predictions"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused record, and the short name under which it is counted."""

    reason: str
    rejected: Rejected


class Part(msgspec.Struct, frozen=True):
    """Accepted rows of one stream with their times in µs: structs of one type, the same by field, or columns."""

    stream: Stream
    rows: Sequence[Any] | Fields | pa.RecordBatch
    times: Micros


class Submission(msgspec.Struct):
    """A request after checking.

    `apart`: each record that is taken has an id or a time, so that equal content is a resend. `request` is None
    where that cannot be told.
    """

    kind: Kind
    size: int
    parts: list[Part] = []
    refused: list[Refusal] = []
    ignored: set[str] = set()
    apart: bool = True
    request: Request | None = None

    @property
    def accepted(self) -> int:
        """Records that are taken."""
        return (
            len(self.parts[0].times)
            if len(self.parts) == 1
            else sum([len(part.times) for part in self.parts])
        )


def read(
    kind: Kind,
    body: bytes,
    content_type: str,
    rules: Rules,
    shapes: Shapes,
    idempotency_key: str = "",
    identity: Request | None = None,
) -> Submission:
    """Check a request's records: all at once where they have the shape that is known, else one by one.

    `identity` is what `identify` made of the same request, where that was done before.

    Raises:
        InputError: nothing in the body can be read as records.
    """
    submission = None
    if content_type.startswith(arrow.CONTENT_TYPE):
        submission = _read_columns(kind, body, rules, shapes)
    elif kind is Kind.PREDICTIONS:
        submission = _read_fast(body, content_type, rules, shapes)
    if submission is None:
        submission = Submission(kind, len(body))
        _take_each(submission, enumerate(bodies.records(body, content_type)), rules, shapes)
    if idempotency_key or submission.apart:
        submission.request = identity or identify(kind, body, rules.client, idempotency_key)
    return submission


def identify(kind: Kind, body: bytes, client: str, idempotency_key: str) -> Request:
    """The key under which a request is remembered: the one that the sender named, or its content.

    A content's key begins with the first time that is written in it. So what comes now lies side by side on disk: keys
    in no order would change a page of the database each, and read one once they are more than memory holds.
    """
    content = _begun(kind, client).copy()
    content.update(body)
    digest = content.digest()[:16]
    if not idempotency_key:
        return Request((_written_time(body) + digest)[:16], digest)
    key = _begun(kind, client).copy()
    key.update(b"key\0" + idempotency_key.encode())
    return Request(key.digest()[:16], digest)


def _written_time(body: bytes) -> bytes:
    """The first 16 digits of the first `timestamp` in a body, as 7 bytes; nothing where there is none."""
    found = _TIME.search(body, 0, _LOOKED_AT_FOR_A_TIME)
    digits = b"" if found is None else found[1].translate(None, _BETWEEN_DIGITS).ljust(16, b"0")
    return int(digits[:16]).to_bytes(7) if digits else b""


@lru_cache(1024)
def _begun(kind: Kind, client: str) -> Any:
    """The hash of whose request it is, to be continued; SHA-256 is what current processors compute fastest."""
    return hashlib.sha256(f"{kind.value}\0{client}\0".encode())


def _read_fast(body: bytes, content_type: str, rules: Rules, shapes: Shapes) -> Submission | None:
    """The rows of a body in which every record has the shape of its stream and nothing is to be told about."""
    shape = shapes.guess(body, rules.client)
    if (
        shape is None
        or rules.client not in ("", shape.stream.client)
        or not rules.is_known(shape.stream.client)
    ):
        return None
    form = "lines" if bodies.is_lines(content_type) else "many" if body.lstrip()[:1] == b"[" else "one"
    rows = shape.decode(body, form, bool(rules.client))
    if not rows:
        return None
    if len(rows) == 1:
        return _one(shape, rows, len(body), rules)
    found = turned(rows)
    if _are_repeated(found["id"]) or not _say_something(found):
        return None
    times = column_of_micros(found["timestamp"], rules.now)
    if times is None or not _are_timely(times, rules):
        return None
    part = Part(shape.stream, by_field(found, times) if len(rows) >= _MANY else rows, times)
    return Submission(Kind.PREDICTIONS, len(body), [part], ignored=shape.ignored, apart=_are_apart(found))


def _one(shape: Shape, rows: Sequence[Any], size: int, rules: Rules) -> Submission | None:
    """The same for a single record, without columns."""
    row = rows[0]
    micros = int(rules.now * 1e6) if row.timestamp is None else micros_of(row.timestamp)
    if micros is None or (row.prediction is None and row.error is None):
        return None
    if not rules.earliest * 1e6 <= micros <= rules.latest * 1e6:
        return None
    apart = row.id is not None or row.timestamp is not None
    part = Part(shape.stream, rows, [micros])
    return Submission(Kind.PREDICTIONS, size, [part], ignored=shape.ignored, apart=apart)


def _are_repeated(ids: Sequence[str | int | None]) -> bool:
    """Whether an id occurs twice."""
    known = ids if all(ids) and set(map(type, ids)) == {str} else [str(one) for one in ids if one is not None]
    return len(set(known)) < len(known)


def _say_something(found: Mapping[str, Sequence[Any]]) -> bool:
    """Whether each record has a prediction or an error."""
    return all(found["prediction"]) or not any(
        prediction is None and error is None
        for prediction, error in zip(found["prediction"], found["error"], strict=True)
    )


def _are_apart(found: Mapping[str, Sequence[Any]]) -> bool:
    """Whether each record has an id or a time."""
    return all(found["id"]) or not any(
        known is None and moment is None
        for known, moment in zip(found["id"], found["timestamp"], strict=True)
    )


def _are_timely(times: Micros, rules: Rules) -> bool:
    earliest, latest = (min(times), max(times)) if isinstance(times, list) else (times.min(), times.max())
    return bool(earliest >= rules.earliest * 1e6 and latest <= rules.latest * 1e6)


def _read_columns(kind: Kind, body: bytes, rules: Rules, shapes: Shapes) -> Submission:
    """The rows of an Arrow stream: clear ones as the columns that they are, the others one by one."""
    rows = arrow.table(body)
    submission = Submission(kind, len(body))
    if kind is Kind.OUTCOMES:
        _take_each(submission, enumerate(rows.to_pylist()), rules, shapes)
        return submission
    sheet = look_through(rows, rules)
    submission.apart, submission.ignored = sheet.apart, sheet.ignored
    for stream, some in sheet.clear:
        shapes.learn(stream, _names(some), sheet.ignored)
        submission.parts.append(Part(stream, some, np.asarray(some.column("timestamp"))))
    _take_each(submission, sheet.doubtful, rules, shapes)
    return submission


def _names(rows: pa.RecordBatch) -> Row:
    """A record that has all names of some columns, and no values."""
    names: dict[str, dict[str, None]] = {"features": {}, "segments": {}, "probabilities": {}}
    for name in rows.schema.names:
        group, _, rest = name.partition(".")
        if rest:
            names[group][rest] = None
    return Row(0, **names)  # type: ignore[arg-type]


def _take_each(
    submission: Submission, records: Iterable[tuple[int, object]], rules: Rules, shapes: Shapes
) -> None:
    """Check records one by one, each taken or refused for itself."""
    reader: Callable[..., tuple[Stream, Row | OutcomeRow]] = (
        read_prediction if submission.kind is Kind.PREDICTIONS else read_outcome
    )
    seen: dict[tuple[Stream, str], int] = {}
    found: dict[Stream, list[Row | OutcomeRow]] = {}
    for index, record in records:
        try:
            if isinstance(record, RecordError):
                raise record
            stream, row = reader(record, rules)
            if isinstance(row, Row):
                _once(seen, stream, row, index)
                extra = ignored(record)
                shapes.learn(stream, row, extra)
                submission.ignored = submission.ignored | extra
            else:
                shapes.admit(stream)
            found.setdefault(stream, []).append(row)
            submission.apart = submission.apart and _tells_itself_apart(record)
        except RecordError as error:
            submission.refused.append(_refusal(index, record, error, rules))
    for stream, rows in found.items():
        submission.parts.append(Part(stream, rows, [row.timestamp for row in rows]))


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
    kept = (
        b""
        if isinstance(record, RecordError)
        else json.dumps(record, default=str)[:KEPT_OF_A_RECORD].encode()
    )
    return Refusal(error.reason, Rejected(index, error.message, error.hint, client, model, kept))
