"""Validates the columns of many records at once: valid rows by stream, and suspect rows.

A suspect row is validated like a single record (`monitor.predictions.intake.schema`), which reports the error. So
columns and single records follow the same rules, with the same messages.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError
from monitor.predictions.fields import (
    ALL,
    ANSWERS,
    GROUPS,
    OUTCOME_FIELDS,
    OUTCOME_NAMES,
    PREDICTION_NAMES,
    STREAM_FIELDS,
    FieldType,
    of_type,
)
from monitor.predictions.intake.arrow import readable_columns
from monitor.predictions.intake.arrow_types import is_number
from monitor.predictions.intake.item_fields import CHECKS, longest_item, refuse_objects
from monitor.predictions.intake.schema import ENVIRONMENTS, Rules
from monitor.predictions.intake.validation import CLOSE
from monitor.predictions.log.arrays import codes, valid
from monitor.predictions.log.hashing import Hashes, KnownIds, hash_texts, mix
from monitor.predictions.texts import call_columns
from monitor.records import DAEMON, Stream
from monitor.text_limits import VERSION_BYTES, flaw_of_name, flaw_of_text

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
_CHUNK_ROWS = 1024
_OUTCOME_PREFIX = "outcome."
_PROBABILITIES = of_type(FieldType.PROBABILITY)
_VERSIONS = of_type(FieldType.VERSION)
_OF_ITEMS = of_type(*CHECKS)
_NAN_IS_MISSING = frozenset(name for name, field in ALL.items() if field.nan_is_missing)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FindSuspects = Callable[[dict[str, pa.Array], Rules], Mask]
"""Marks the rows that the columns alone do not prove valid."""


@dataclass(frozen=True, slots=True)
class ValidatedBatch:
    """`valid` rows as columns, by stream, and their row numbers; `suspect` rows as row number and record.

    `identifiable`: each valid row has an id or a time.
    """

    valid: list[tuple[Stream, pa.RecordBatch]]
    row_numbers: list[np.ndarray]
    suspect: Iterator[tuple[int, dict[str, Any]]]
    ignored: set[str]
    identifiable: bool


def validate_predictions(
    rows: pa.RecordBatch, rules: Rules, *, with_outcomes: bool = False, seen: KnownIds | None = None
) -> ValidatedBatch:
    """Separate valid from suspect predictions. `with_outcomes` keeps columns such as `outcome.truth`.

    Rows with the same id are all suspect. With `seen` ids, only the later ones are.

    Raises:
        InputError: a column has an unusable type.
    """
    return _validated(rows, rules, _suspect_predictions, with_outcomes=with_outcomes, seen=seen)


def validate_outcomes(rows: pa.RecordBatch, rules: Rules) -> ValidatedBatch:
    """Separate valid from suspect outcomes of history. Without `timestamp`, the time is null. Valid rows may be empty.

    Raises:
        InputError: a column has an unusable type.
    """
    return _validated(rows, rules, _suspect_outcomes, with_outcomes=False)


def validate_outcome_request(rows: pa.RecordBatch, rules: Rules) -> ValidatedBatch:
    """Separate valid from suspect outcomes of a request. Without `timestamp`, the time is now. Empty outcomes are
    suspect.

    Raises:
        InputError: a column has an unusable type.
    """
    return _validated(rows, rules, _suspect_outcome_requests, with_outcomes=False)


def _validated(
    rows: pa.RecordBatch,
    rules: Rules,
    find_suspects: FindSuspects,
    *,
    with_outcomes: bool,
    seen: KnownIds | None = None,
) -> ValidatedBatch:
    refuse_objects(rows.schema.names)
    known = PREDICTION_NAMES if find_suspects is _suspect_predictions else OUTCOME_NAMES
    typed, unreadable = _read(rows, rules, known, with_outcomes=with_outcomes)
    ignored = set(rows.schema.names) - typed.keys() - unreadable.keys()
    if known is OUTCOME_NAMES:  # all of a group's columns are one field of the record
        ignored = {group if (group := name.partition(".")[0]) in GROUPS else name for name in ignored}
    has_identity = np.zeros(rows.num_rows, bool)
    for name in ("id", "timestamp"):
        if name in typed:
            has_identity |= valid(typed[name])
    _fill_in_defaults(typed, rows, rules)
    calls: dict[str, pa.Array] = {}
    if known is PREDICTION_NAMES and (sent := call_columns.sent(rows)):
        calls, cut = call_columns.of_table(rows, sent, rules.settings)
        ignored = (ignored - sent) | cut
        if "prediction" not in typed:
            typed["prediction"] = call_columns.answers(calls, rows.num_rows)
    columns = pa.RecordBatch.from_pydict(calls | typed)
    is_suspect = np.logical_or.reduce([find_suspects(typed, rules), *unreadable.values()])
    if "id" in typed and find_suspects is _suspect_predictions:
        has_id = valid(typed["id"])
        is_suspect |= _repeated(typed, has_id, is_suspect, seen)
    suspect = np.flatnonzero(is_suspect)
    valid_rows = np.flatnonzero(~is_suspect)
    by_stream = list(_by_stream(columns if not len(suspect) else columns.take(pa.array(valid_rows))))
    return ValidatedBatch(
        [(stream, part) for stream, part, _ in by_stream],
        [valid_rows[indices] for _, _, indices in by_stream],
        _suspect_records(rows, columns, unreadable, suspect),
        ignored,
        bool((has_identity | is_suspect).all()),
    )


def _suspect_records(
    rows: pa.RecordBatch, columns: pa.RecordBatch, unreadable: dict[str, Mask], suspect: np.ndarray
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Suspect rows as records, a few at a time. Unreadable values are included as they were sent."""
    for indices in np.split(suspect, np.arange(_CHUNK_ROWS, len(suspect), _CHUNK_ROWS)):
        for index, row in zip(indices.tolist(), columns.take(pa.array(indices)).to_pylist(), strict=True):
            row |= {
                name: _value_at(rows.column(name), index)
                for name, is_unreadable in unreadable.items()
                if is_unreadable[index]
            }
            if isinstance(row["timestamp"], int):
                row["timestamp"] = _time_of(rows, index, row["timestamp"])
            yield index, _record(row)


def _time_of(rows: pa.RecordBatch, index: int, micros: int) -> object:
    """The time of a row: the number that was sent, or ISO 8601, because µs could be mistaken for seconds."""
    if "timestamp" in rows.schema.names and is_number(rows.column("timestamp").type):
        original = _value_at(rows.column("timestamp"), index)
        return original if isinstance(original, int | float) else _iso_time(micros)
    return _iso_time(micros)


def _read(
    rows: pa.RecordBatch, rules: Rules, known: frozenset[str], *, with_outcomes: bool
) -> tuple[dict[str, pa.Array], dict[str, Mask]]:
    """The columns of known fields in their types, and per column the rows with unreadable values, if any."""
    typed: dict[str, pa.Array] = {}
    unreadable: dict[str, Mask] = {}
    for name, values in zip(rows.schema.names, rows.columns, strict=True):
        if _has_use(name, known) or (with_outcomes and name.startswith(_OUTCOME_PREFIX)):
            column, is_unreadable = readable_columns(name, values, rules.dates)
            if column is not None and _has_bad_name(name, rules):
                column, is_unreadable = None, valid(values)
            if column is not None:
                typed[name] = _normalized(name, column)
            if is_unreadable.any():
                unreadable[name] = is_unreadable
    return typed, unreadable


def _has_use(name: str, known: frozenset[str]) -> bool:
    """Whether a column is one of the known fields, or belongs to a group that is."""
    group, dot, _ = name.partition(".")
    return group in known and (not dot or group in GROUPS)


def _repeated(typed: dict[str, pa.Array], has_id: Mask, is_suspect: Mask, seen: KnownIds | None) -> Mask:
    """The rows whose id also occurs in other rows; with `seen` ids, only the later rows."""
    if seen is not None:
        return seen.repeated(_keys(typed), has_id & ~is_suspect)
    _, group, count = np.unique(hash_texts(typed["id"]), return_inverse=True, return_counts=True)
    return np.asarray((count[group] > 1) & has_id)


def _fill_in_defaults(typed: dict[str, pa.Array], rows: pa.RecordBatch, rules: Rules) -> None:
    """Fill in the values that hold for all rows: from the schema's metadata, the key, or the defaults."""
    metadata = {
        name: _metadata_value(rows, name)
        for name in STREAM_FIELDS
        if name.encode() in (rows.schema.metadata or {})
    }
    default = {"client": rules.client or None, "environment": "production", **metadata}
    for name in STREAM_FIELDS:
        value = default.get(name)
        if name not in typed:
            codes = np.zeros(rows.num_rows, np.int32)
            indices = pa.array(codes, mask=np.full(rows.num_rows, value is None))
            typed[name] = pa.DictionaryArray.from_arrays(indices, pa.array([value or ""], pa.string()))
        elif typed[name].null_count and value is not None:
            typed[name] = typed[name].cast(pa.string()).fill_null(value).dictionary_encode()
    times = typed.get("timestamp", pa.nulls(rows.num_rows, pa.int64()))
    typed["timestamp"] = times if rules.is_history else times.fill_null(int(rules.now * 1e6))


def _metadata_value(rows: pa.RecordBatch, name: str) -> str:
    try:
        return str(rows.schema.metadata[name.encode()].decode())
    except UnicodeDecodeError as error:
        raise InputError(f"{name} in the schema's metadata is not UTF-8", hint="write it as UTF-8") from error


def _has_bad_name(name: str, rules: Rules) -> bool:
    """Whether a feature, segment or probability has an invalid name."""
    _, _, rest = name.partition(".")
    return bool(rest) and (len(rest) > rules.settings.max_label or bool(flaw_of_text(rest)))


def _normalized(name: str, column: pa.Array) -> pa.Array:
    """NaN as null where values may be missing; probabilities clipped to 0 to 1 if they exceed it only by rounding."""
    if not pa.types.is_floating(column.type):
        return column
    if name.removeprefix(_OUTCOME_PREFIX) in _NAN_IS_MISSING and pc.any(pc.is_nan(column)).as_py():
        return pc.if_else(pc.is_nan(column), None, column)
    if name in _PROBABILITIES:
        low, high = pc.min_max(column).values()
        if low.is_valid and (low.as_py() < 0 or high.as_py() > 1):
            near = pc.min_element_wise(pc.max_element_wise(column, 0.0), 1.0, skip_nulls=False)
            is_near = pc.less_equal(pc.abs(pc.subtract(column, near)), CLOSE)
            return pc.if_else(is_near, near, column)
    return column


def _value_at(values: pa.Array, index: int) -> object:
    """A value as it was sent."""
    try:
        return values[index].as_py()
    except (ValueError, OverflowError, TypeError, pa.ArrowException):  # a time outside of Python's range
        return f"a {values.type} that is out of range"


def _iso_time(micros: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        return f"{micros} µs"


def _suspect_predictions(typed: dict[str, pa.Array], rules: Rules) -> Mask:
    times = typed["timestamp"]
    is_suspect: Mask = _outside_time_range(times, rules) | ~valid(times)
    no_values = pa.nulls(len(times), pa.float64())
    answered = [valid(typed.get(name, no_values)) for name in (*ANSWERS, "error")]
    is_suspect |= ~np.logical_or.reduce(answered)
    for name, values in typed.items():
        is_suspect |= _suspect_values(name, values, rules)
    for name in typed.keys() & set(_PROBABILITIES):
        is_suspect |= _true(pc.or_(pc.less(typed[name], 0.0), pc.greater(typed[name], 1.0)))
    for name in typed.keys() & set(of_type(FieldType.MILLISECONDS)):
        is_suspect |= _true(pc.less(typed[name], 0.0))
    return is_suspect


def _keys(typed: dict[str, pa.Array]) -> Hashes:
    """A hash of each row's id and stream."""
    keys = hash_texts(typed["id"])
    for name in STREAM_FIELDS:
        labels = hash_texts(typed[name].dictionary)
        keys = mix(keys ^ np.append(labels, np.uint64(0))[codes(typed[name], len(labels))])
    return keys


def _suspect_outcomes(typed: dict[str, pa.Array], rules: Rules) -> Mask:
    is_suspect: Mask = _outside_time_range(typed["timestamp"], rules)
    is_suspect |= np.asarray(typed["id"].is_null()) if "id" in typed else True
    for name, values in typed.items():
        is_suspect |= _suspect_values(name, values, rules)
    return is_suspect


def _suspect_outcome_requests(typed: dict[str, pa.Array], rules: Rules) -> Mask:
    is_suspect = _suspect_outcomes(typed, rules)
    has_value = [valid(typed[name]) for name in OUTCOME_FIELDS if name in typed]
    is_suspect |= ~np.logical_or.reduce([np.zeros(len(is_suspect), bool), *has_value])
    return is_suspect


def _outside_time_range(times: pa.Array, rules: Rules) -> Mask:
    """The rows whose time is too old, or in the future. Missing times are not marked."""
    too_old = pc.less(times, int(rules.earliest * 1e6))
    return _true(pc.or_(too_old, pc.greater(times, int(rules.latest * 1e6))))


def _suspect_values(name: str, values: pa.Array, rules: Rules) -> Mask:
    settings = rules.settings
    is_feature = name.startswith("features.")
    longest = settings.max_text if is_feature else settings.max_label
    if name in STREAM_FIELDS:
        return _labels(values, lambda text: not _is_name(name, text, rules)) | _true(values.is_null())
    if name.removeprefix(_OUTCOME_PREFIX) in _OF_ITEMS:
        lengths = [0 if text is None else longest_item(text) for text in values.to_pylist()]
        return np.array(lengths, np.int64) > longest
    if pa.types.is_dictionary(values.type):
        return _labels(values, lambda text: _is_bad_text(name, text, longest))
    if pa.types.is_string(values.type):
        return _true(pc.or_(pc.greater(pc.utf8_length(values), longest), pc.match_substring(values, "\0")))
    if pa.types.is_list(values.type):
        gaps = _true(pc.invert(pc.is_finite(values.flatten().fill_null(np.nan))))
        has_gap = np.zeros(len(values), bool)
        has_gap[np.asarray(pc.list_parent_indices(values))[gaps]] = True
        return _true(pc.greater(pc.list_value_length(values), settings.max_list)) | has_gap
    if pa.types.is_floating(values.type) and not is_feature:
        return _true(pc.invert(pc.is_finite(values)))
    return np.zeros(len(values), bool)


def _is_name(name: str, text: str, rules: Rules) -> bool:
    if name == "environment":
        return text in ENVIRONMENTS
    is_allowed_client = name != "client" or (
        rules.client in ("", text) and rules.is_known(text) and text != DAEMON.client
    )
    is_allowed_model = name != "model" or not rules.models or text in rules.models
    return is_allowed_client and is_allowed_model and not flaw_of_name(text)


def _is_bad_text(name: str, text: str, longest: int) -> bool:
    is_long = len(text) > longest or (name in _VERSIONS and len(text.encode()) > VERSION_BYTES)
    return is_long or bool(flaw_of_text(text))


def _labels(values: pa.Array, is_bad: Callable[[str], bool]) -> Mask:
    """The rows with an invalid category; each category is checked once."""
    bad = np.array([text is not None and is_bad(text) for text in values.dictionary.to_pylist()] + [False])
    rows: Mask = bad[np.asarray(values.indices.fill_null(len(bad) - 1))]
    return rows


def _true(mask: pa.Array) -> Mask:
    rows: Mask = np.asarray(mask.fill_null(False))
    return rows


def _by_stream(rows: pa.RecordBatch) -> Iterator[tuple[Stream, pa.RecordBatch, np.ndarray]]:
    """The rows of each stream, and their indices."""
    if not rows.num_rows:
        return
    codes, labels = np.zeros(rows.num_rows, np.int64), []
    for name in STREAM_FIELDS:
        column = rows.column(name)
        labels.append(column.dictionary.to_pylist())
        codes = codes * len(labels[-1]) + np.asarray(column.indices)
    rows = rows.drop_columns(list(STREAM_FIELDS))
    order = np.argsort(codes, kind="stable")
    present, first = np.unique(codes[order], return_index=True)
    if len(present) > 1:
        rows = rows.take(pa.array(order))
    for code, indices in zip(present.tolist(), np.split(order, first[1:]), strict=True):
        start = int(first[np.searchsorted(present, code)])
        chosen = rows if len(present) == 1 else rows.slice(start, len(indices))
        environment = labels[2][code % len(labels[2])]
        model = labels[1][code // len(labels[2]) % len(labels[1])]
        client = labels[0][code // len(labels[2]) // len(labels[1])]
        yield Stream(client, model, environment), chosen, indices


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """A row of columns as a JSON-like record."""
    record: dict[str, Any] = {}
    for name, value in row.items():
        group, _, rest = call_columns.field_of(name).partition(".")
        if value is not None and rest:
            record.setdefault(group, {})[rest] = value
        elif value is not None and group:
            record[group] = value
    return record
