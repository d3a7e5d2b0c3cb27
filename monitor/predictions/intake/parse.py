"""Parses and validates a request body: valid rows by stream, and rejected records. Stores nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import TooLargeError
from monitor.predictions.fields import ANSWERS, GROUPS, OUTCOME_NAMES, PREDICTION_NAMES, OutcomeRow, Row
from monitor.predictions.intake import arrow, bodies
from monitor.predictions.intake.fast_decoder import FastDecoders, StreamDecoder, ignored_fields
from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.outcome_scores import FIELD
from monitor.predictions.intake.rejected_record import RejectedRecord, rejected_record
from monitor.predictions.intake.schema import (
    Rules,
    ignored,
    is_identifiable,
    read_prediction,
    read_scored_outcome,
)
from monitor.predictions.intake.validated_batch import validate_outcome_request, validate_predictions
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.log.rows import Fields, by_field, transpose
from monitor.predictions.texts.call_columns import cut_of, has_calls
from monitor.records import Stream
from monitor.store.idempotency import RequestKey
from monitor.store.scores import Score
from monitor.times.columns import Micros, column_of_micros
from monitor.times.reading import micros_of
from monitor.visible import counted

MAX_LISTED = 100
"""Maximum number of rejected records listed per request; further ones are only counted."""
MAX_VALUES = 8_000_000
"""Maximum number of values of a request as columns. Limits the memory, independent of the format of the body."""
_MIN_ROWS_BY_FIELD = 48
"""From this number of rows on, they are ordered by field at once, while in the processor's cache."""


class RecordKind(StrEnum):
    """The kind of records in a request."""

    PREDICTIONS = "predictions"
    OUTCOMES = "outcomes"


class UnlistedRecords(msgspec.Struct, frozen=True):
    """The number of rejected records that are only counted, and one of them."""

    count: int
    example: RejectedRecord


class StreamRows(msgspec.Struct, frozen=True):
    """Accepted rows of one stream with their times in µs: structs of one type, the same by field, or columns.

    `width` is the number of columns.
    """

    stream: Stream
    rows: Sequence[Any] | Fields | pa.RecordBatch
    times: Micros
    width: int

    @property
    def places(self) -> int:
        """The number of values as columns."""
        return len(self.times) * self.width


class ParsedRequest(msgspec.Struct):
    """A request after validation.

    `rejected` holds the first `MAX_LISTED` rejected records; `unlisted` counts the others by reason, with one example
    each. `ignored` are names of ignored fields. `identifiable`: every accepted record has an id or a time, so that
    equal content is a resend. `request` is None if a resend cannot be recognized; `aliases` are further keys of the
    same content, and `covered` those of requests that need not be stored besides this one. `several` are the keys of
    requests that were read together: if one of them is known, nothing is stored. `scores` are those of its outcomes;
    `only_scored` outcomes have nothing else and no row. `rows` are what was made of it before the writer's turn;
    `encoded` counts those that are in no part. `whole` is the request that this one is a slice of.
    """

    kind: RecordKind
    size: int
    parts: list[StreamRows] = []
    rejected: list[RejectedRecord] = []
    unlisted: dict[str, UnlistedRecords] = {}
    ignored: set[str] = set()
    identifiable: bool = True
    request: RequestKey | None = None
    aliases: Sequence[RequestKey] = ()
    covered: Sequence[RequestKey] = ()
    several: Sequence[RequestKey] = ()
    scores: list[Score] = []
    only_scored: int = 0
    sender: str = ""
    rows: object = None
    encoded: int = 0
    whole: object = None

    @property
    def accepted(self) -> int:
        """The number of accepted records."""
        parts = self.parts
        rows = len(parts[0].times) if len(parts) == 1 else sum([len(part.times) for part in parts])
        return rows + self.only_scored + self.encoded

    @property
    def rejected_count(self) -> int:
        """The number of rejected records."""
        return len(self.rejected) + sum(unlisted.count for unlisted in self.unlisted.values())

    @property
    def reasons(self) -> Counter[str]:
        """The number of rejected records by reason."""
        counts = Counter(record.reason for record in self.rejected)
        counts.update({reason: unlisted.count for reason, unlisted in self.unlisted.items()})
        return counts

    @property
    def places(self) -> int:
        """The number of values as columns."""
        places = len(self.scores) * len(Score.__slots__)
        for part in self.parts:
            places += part.places
        return places

    @property
    def unmeasured_bytes(self) -> int:
        """The size of a request with texts that the writer has to measure; 0 for all others."""
        has_texts = self.rows is None and any(map(has_calls, [part.rows for part in self.parts]))
        return self.size if has_texts else 0

    def reject(self, index: int, record: object, error: RecordError, rules: Rules, count: int = 1) -> None:
        """Record the rejection of a record, or of `count` records from this one on."""
        listed = min(MAX_LISTED - len(self.rejected), count)
        self.rejected += [rejected_record(n, record, error, rules) for n in range(index, index + listed)]
        if count > listed:
            counted = self.unlisted.get(error.reason)
            example = counted.example if counted else rejected_record(index + listed, record, error, rules)
            self.unlisted[error.reason] = UnlistedRecords(
                (counted.count if counted else 0) + count - listed, example
            )


def read(
    kind: RecordKind,
    body: bytes,
    content_type: str,
    rules: Rules,
    decoders: FastDecoders,
    idempotency_key: str = "",
    identity: RequestKey | None = None,
    most_objects: int | None = None,
) -> ParsedRequest:
    """Parse and validate the records of a request: all at once if they match the stream's decoder, else one by one, if
    the body has at most `most_objects`. `identity` is the result of `identify`, if it was already called.

    Raises:
        InputError: the body cannot be parsed as records.
        ReadApartError: it would take too long here.
    """
    parsed = None
    if content_type.startswith(arrow.CONTENT_TYPE):
        rows = arrow.table(body, rules.settings.max_records, MAX_VALUES)
        parsed = _of_columns(kind, rows, len(body), rules, decoders, most_objects)
    elif kind is RecordKind.PREDICTIONS:
        parsed = _read_fast(body, content_type, rules, decoders)
    if parsed is None:
        parsed = ParsedRequest(kind, len(body))
        records = bodies.records(body, content_type, rules.settings.max_records, most_objects)
        _parse_each(parsed, enumerate(records), rules, decoders)
    check_size(parsed)
    if idempotency_key or parsed.identifiable:
        parsed.request = identity or identify(kind, body, rules.client, idempotency_key)
    return parsed


def check(
    kind: RecordKind, records: Sequence[object], size: int, rules: Rules, decoders: FastDecoders
) -> ParsedRequest:
    """Validate records that were not sent as a request. `size` is the number of bytes they were decoded from.

    Raises:
        TooLargeError: the records would take more memory than one request may.
    """
    parsed = ParsedRequest(kind, size)
    _parse_each(parsed, enumerate(records), rules, decoders)
    check_size(parsed)
    return parsed


def check_columns(rows: pa.RecordBatch, size: int, rules: Rules, decoders: FastDecoders) -> ParsedRequest:
    """Validate predictions as columns that were not sent as a request. `size` is as for `check`.

    Raises:
        InputError: a column has an unusable type.
        TooLargeError: the records would take more memory than one request may.
    """
    parsed = _of_columns(RecordKind.PREDICTIONS, rows, size, rules, decoders)
    check_size(parsed)
    return parsed


def check_size(parsed: ParsedRequest) -> None:
    """Check that the rows are not too large as columns.

    Raises:
        TooLargeError: they would take more memory than one request may.
    """
    if parsed.places > MAX_VALUES:
        hint = "send fewer records per request, or send records with the same features together"
        raise TooLargeError(f"the records take {counted(parsed.places, 'value')} as a table", hint=hint)


def _read_fast(body: bytes, content_type: str, rules: Rules, decoders: FastDecoders) -> ParsedRequest | None:
    """The rows of a body in which every record matches the stream's decoder; None if any needs a closer check."""
    decoder = decoders.guess(body, rules.client)
    if (
        decoder is None
        or rules.client not in ("", decoder.stream.client)
        or not rules.is_known(decoder.stream.client)
        or (rules.models and decoder.stream.model not in rules.models)
    ):
        return None
    form = "lines" if bodies.is_lines(content_type) else "many" if body.lstrip()[:1] == b"[" else "one"
    rows = decoder.decode(body, form, bool(rules.client))
    if not rows:
        return None
    if len(rows) == 1:
        return _read_single(decoder, rows, len(body), rules)
    if len(rows) > rules.settings.max_records:
        return None  # the slow way reports the error
    fields = transpose(rows)
    if _has_repeated(fields["id"]) or not _have_any(fields, *ANSWERS, "error"):
        return None
    times = column_of_micros(fields["timestamp"], rules.now)
    if times is None or not are_timely(times, rules):
        return None
    ordered = by_field(fields, times) if len(rows) >= _MIN_ROWS_BY_FIELD else rows
    part = StreamRows(decoder.stream, ordered, times, decoder.width)
    ignored = ignored_fields(type(rows[0]), fields)
    return ParsedRequest(
        RecordKind.PREDICTIONS,
        len(body),
        [part],
        ignored=ignored,
        identifiable=_have_any(fields, "id", "timestamp"),
    )


def _read_single(
    decoder: StreamDecoder, rows: Sequence[Any], size: int, rules: Rules
) -> ParsedRequest | None:
    """As `_read_fast`, for a single record, without columns."""
    row = rows[0]
    micros = int(rules.now * 1e6) if row.timestamp is None else micros_of(row.timestamp)
    is_empty = row.prediction is None and row.error is None
    if micros is None or (is_empty and all(getattr(row, name) is None for name in ANSWERS)):
        return None
    if not rules.earliest * 1e6 <= micros <= rules.latest * 1e6:
        return None
    identifiable = row.id is not None or row.timestamp is not None
    part = StreamRows(decoder.stream, rows, [micros], decoder.width)
    ignored = ignored_fields(type(row), transpose(rows)) if decoder.ignored else set()
    return ParsedRequest(RecordKind.PREDICTIONS, size, [part], ignored=ignored, identifiable=identifiable)


def _has_repeated(ids: Sequence[str | int | None]) -> bool:
    """Whether an id occurs twice."""
    texts = (
        ids
        if all(ids) and set(map(type, ids)) == {str}
        else [str(record_id) for record_id in ids if record_id is not None]
    )
    return len(set(texts)) < len(texts)


def _have_any(fields: Mapping[str, Sequence[Any]], *names: str) -> bool:
    """Whether each record has a value in at least one of some fields."""
    first, *others = (fields[name] for name in names)
    return all(first) or all(
        any(values[row] is not None for values in others) for row, value in enumerate(first) if value is None
    )


def are_timely(times: Micros, rules: Rules) -> bool:
    """Whether no time is too old or in the future."""
    earliest, latest = (min(times), max(times)) if isinstance(times, list) else (times.min(), times.max())
    return bool(earliest >= rules.earliest * 1e6 and latest <= rules.latest * 1e6)


def _of_columns(
    kind: RecordKind,
    rows: pa.RecordBatch,
    size: int,
    rules: Rules,
    decoders: FastDecoders,
    most_suspect: int | None = None,
) -> ParsedRequest:
    """The valid rows as columns; suspect ones are parsed one by one."""
    parsed = ParsedRequest(kind, size)
    validate = validate_outcome_request if kind is RecordKind.OUTCOMES else validate_predictions
    batch = validate(rows, rules)
    parsed.ignored = batch.ignored
    parsed.identifiable = batch.identifiable
    for (stream, columns), row_numbers in zip(batch.valid, batch.row_numbers, strict=True):
        try:
            if kind is RecordKind.OUTCOMES:
                decoders.admit(stream)
            else:
                decoders.learn(stream, _empty_row(columns), batch.ignored)
        except RecordError as error:  # one stream of many
            for row_number in row_numbers.tolist():
                parsed.reject(row_number, {"client": stream.client, "model": stream.model}, error, rules)
            continue
        times = np.asarray(columns.column("timestamp"))
        parsed.parts.append(StreamRows(stream, columns, times, columns.num_columns))
    _parse_each(parsed, bodies.few(batch.suspect, most_suspect), rules, decoders)
    return parsed


def _empty_row(rows: pa.RecordBatch) -> Row:
    """A record with all names of the given columns, and without values."""
    names: dict[str, dict[str, None]] = {group: {} for group in GROUPS}
    for name in rows.schema.names:
        group, _, rest = name.partition(".")
        if rest and group in names:
            names[group][rest] = None
    return Row(0, **names)  # type: ignore[arg-type]


def _parse_each(
    parsed: ParsedRequest, records: Iterable[tuple[int, object]], rules: Rules, decoders: FastDecoders
) -> None:
    """Validate records one by one; each is accepted or rejected separately."""
    is_outcomes = parsed.kind is RecordKind.OUTCOMES
    known = OUTCOME_NAMES | {FIELD} if is_outcomes else PREDICTION_NAMES
    first_index: dict[tuple[Stream, str], int] = {}
    by_stream: dict[Stream, list[Row | OutcomeRow]] = {}
    for index, record in records:
        try:
            if isinstance(record, RecordError):
                raise record
            extra = ignored(record, known)
            row: Row | OutcomeRow | None
            if is_outcomes:
                stream, row = _outcome(parsed, record, rules, decoders)
            else:
                stream, row = read_prediction(record, rules)
                _check_not_repeated(first_index, stream, row, index)
                decoders.learn(stream, row, extra)
            parsed.ignored |= extra
            if row is not None:
                by_stream.setdefault(stream, []).append(row)
            parsed.identifiable = parsed.identifiable and is_identifiable(record)
        except RecordError as error:
            parsed.reject(index, record, error, rules)
    for stream, rows in by_stream.items():
        times, width = [row.timestamp for row in rows], _width(rows)
        parsed.ignored |= cut_of(rows)
        parsed.parts.append(StreamRows(stream, rows, times, width))


def _outcome(
    parsed: ParsedRequest, record: object, rules: Rules, decoders: FastDecoders
) -> tuple[Stream, OutcomeRow | None]:
    """The row of an outcome, None if it has scores only. Its scores are added to the request.

    Raises:
        RecordError: it is invalid.
    """
    stream, row, scores = read_scored_outcome(record, rules)
    decoders.admit(stream)
    parsed.scores += scores
    parsed.only_scored += row is None
    return stream, row


def _width(rows: Sequence[Row | OutcomeRow]) -> int:
    """The number of columns of the rows of a stream."""
    records = [row for row in rows if isinstance(row, Row)]
    names = sum([len(set(chain.from_iterable(map(attrgetter(group), records)))) for group in GROUPS])
    return len(rows[0].__struct_fields__) + names


def _check_not_repeated(
    first_index: dict[tuple[Stream, str], int], stream: Stream, row: Row, index: int
) -> None:
    first = index if row.id is None else first_index.setdefault((stream, row.id), index)
    if first != index:
        hint = "each prediction needs its own id; the first one was accepted"
        raise RecordError("repeated_id", f"id {row.id!r} also occurs in record {first}", hint=hint)
