"""Calls of language models as Arrow columns, on their way from a request to the writer.

Their names begin with `texts.`. The writer takes them out of the rows (`monitor.predictions.texts.measuring`): the log
never has them. Tokens and times are features, named as OpenTelemetry's spans and the Python client name them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError
from monitor.predictions.intake.arrow_types import is_number, is_text, readable
from monitor.predictions.log.rows import by_field, columns, transpose
from monitor.predictions.texts.call import LISTS, MOST_TEXTS, SINGLE, UNKNOWN_REASON, USAGE, Call
from monitor.text_limits import storable
from monitor.times.columns import Micros

if TYPE_CHECKING:  # as in `call`
    from monitor.predictions.settings import PredictionSettings

PREFIX = "texts."
IS_CALL = f"{PREFIX}is_call"
"""Marks the rows that are calls, also where they have no text."""
_OTHER = {
    "finish_reason": pa.string(),
    "json_asked": pa.bool_(),
    "token_logprobs": pa.list_(pa.float64()),
}
TYPES: dict[str, pa.DataType] = {
    **{f"{PREFIX}{name}": pa.string() for name in SINGLE},
    **{f"{PREFIX}{name}": pa.list_(pa.string()) for name in LISTS},
    **{f"{PREFIX}{name}": kind for name, kind in _OTHER.items()},
    IS_CALL: pa.bool_(),
}
FIGURES = ("ttft_ms", *(f"usage.{name}" for name in USAGE))
SENT = frozenset((*(f"{PREFIX}{name}" for name in (*SINGLE, *LISTS)), *_OTHER, *FIGURES))
"""The columns that a request or a file may have."""
_FEATURE = "features."
FIGURE_FEATURES = frozenset(f"{_FEATURE}{name.rpartition('.')[2]}" for name in FIGURES)
"""The features that tokens and times become."""


def is_transient(name: str) -> bool:
    """Whether a column holds texts, which the log must not have."""
    return name.startswith(PREFIX)


def field_of(name: str) -> str:
    """The field of a record that a column belongs to; empty for the mark of calls."""
    field = name.removeprefix(PREFIX)
    return "" if name == IS_CALL else field if field in _OTHER else name


def answers(calls: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """What counts as the prediction of calls that have none: why the answer ended, as categories."""
    reasons = calls.get(f"{PREFIX}finish_reason", pa.nulls(rows, pa.string()))
    if (outputs := calls.get(f"{PREFIX}output")) is not None:
        answered = pc.if_else(pc.is_valid(outputs), UNKNOWN_REASON, None)
        reasons = pc.coalesce(reasons, answered)
    encoded = reasons.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), encoded.dictionary)


def has_calls(rows: object) -> bool:
    """Whether rows, as they come from a request, have calls of language models."""
    if isinstance(rows, pa.RecordBatch):
        return any(map(is_transient, rows.schema.names))
    if not isinstance(rows, list | tuple) or not rows or not hasattr(rows[0], "call"):
        return False
    return any(row.call is not None for row in rows)


def cut_of(rows: Sequence[Any]) -> set[str]:
    """What was cut of the calls of some rows."""
    calls = [call for row in rows if (call := getattr(row, "call", None)) is not None]
    return set().union(*(call.cut for call in calls))


def with_calls(rows: Sequence[Any], times: Micros) -> pa.RecordBatch | None:
    """Rows of one struct type as columns, with those of their calls; None if no row has a call."""
    calls: list[Call | None] = [getattr(row, "call", None) for row in rows]
    if not any(calls):
        return None
    plain = columns(by_field(transpose(rows), times))
    arrays = {name: values for name, values in _arrays(calls).items() if values.null_count < len(rows)}
    return pa.RecordBatch.from_arrays(
        [*plain.columns, *arrays.values()], names=[*plain.schema.names, *arrays]
    )


def with_texts(
    rows: pa.RecordBatch, texts: Sequence[Any], reasons: Sequence[Any], asked: Sequence[Any]
) -> pa.RecordBatch:
    """Rows with the columns of their calls: the texts, with the names of a call's as attributes, why each ended, and
    whether it was asked for JSON. A row is a call if one of these is not `UNSET`.
    """
    unset = msgspec.UNSET
    known: dict[str, list[Any]] = {
        "finish_reason": [None if reason is unset else reason or None for reason in reasons],
        "json_asked": [None if one is unset else one for one in asked],
        "is_call": [
            text is not None or reason is not unset or json is not unset or None
            for text, reason, json in zip(texts, reasons, asked, strict=True)
        ],
    }
    if any(texts):
        for name in SINGLE:
            column = [None if text is None else getattr(text, name) for text in texts]
            known[name] = [None if text is None else storable(text) for text in column]
        for name in LISTS:
            lists = [None if text is None else getattr(text, name) for text in texts]
            known[name] = [None if several is None else list(map(storable, several)) for several in lists]
    arrays = {
        f"{PREFIX}{name}": pa.array(values, TYPES[f"{PREFIX}{name}"])
        for name, values in known.items()
        if values.count(None) < len(values)
    }
    return pa.RecordBatch.from_arrays([*rows.columns, *arrays.values()], names=[*rows.schema.names, *arrays])


def _arrays(calls: Sequence[Call | None]) -> dict[str, pa.Array]:
    arrays: dict[str, pa.Array] = {}
    for name, kind in TYPES.items():
        field = name.removeprefix(PREFIX)
        if name == IS_CALL:
            values: list[Any] = [call is not None or None for call in calls]
        elif field in _OTHER:
            values = [None if call is None else getattr(call, field) for call in calls]
        else:
            values = [None if call is None else call.texts.get(field) for call in calls]
        arrays[name] = pa.array(values, kind)
    return arrays


def sent(rows: pa.RecordBatch) -> frozenset[str]:
    """The columns of calls that a table has; empty for all others."""
    return SENT.intersection(rows.schema.names)


def of_table(
    rows: pa.RecordBatch, names: frozenset[str], settings: "PredictionSettings"
) -> tuple[dict[str, pa.Array], set[str]]:
    """The columns of calls in a table, converted and cut, and what was cut. Figures are features.

    Raises:
        InputError: a column has an unusable type.
    """
    columns: dict[str, pa.Array] = {}
    cut: set[str] = set()
    for name in sorted(names):
        try:
            _put(columns, cut, name, rows.column(name), settings)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise InputError(f"column {name!r} of type {rows.column(name).type} cannot be used") from error
    is_call = [pc.is_valid(values) for values in columns.values()]
    marked = is_call[0]
    for other in is_call[1:]:
        marked = pc.or_(marked, other)
    columns[IS_CALL] = pc.if_else(marked, True, None)
    return columns, cut


def _put(
    columns: dict[str, pa.Array], cut: set[str], name: str, values: pa.Array, settings: "PredictionSettings"
) -> None:
    field = name.rpartition(".")[2]
    if name in FIGURES:
        columns[f"{_FEATURE}{field}"] = _numbers(values)
    elif field == "json_asked":
        columns[f"{PREFIX}{field}"] = _numbers(values).cast(pa.bool_())
    elif field == "token_logprobs":
        columns[f"{PREFIX}{field}"] = values.cast(TYPES[f"{PREFIX}{field}"])
    elif field in LISTS:
        texts = _lists(values)
        if len(texts) and (pc.max(pc.list_value_length(texts)).as_py() or 0) > MOST_TEXTS:
            cut.add(f"{name} beyond {MOST_TEXTS} texts")
            texts = pc.list_slice(texts, 0, MOST_TEXTS)
        flat, offsets = texts.flatten(), _offsets(texts)
        shorter = _cut(flat, name, cut, settings.max_text)
        columns[name] = pa.ListArray.from_arrays(offsets, shorter, mask=texts.is_null())
    else:
        limit = settings.max_label if field == "finish_reason" else settings.max_text
        columns[f"{PREFIX}{field}"] = _cut(_strings(values), name, cut, limit)


def _numbers(values: pa.Array) -> pa.Array:
    plain = readable(values)
    if plain is None:
        raise TypeError
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(pa.string())
    return plain.cast(pa.float64(), safe=False) if is_number(plain.type) else plain.cast(pa.float64())


def _strings(values: pa.Array) -> pa.Array:
    plain = values if pa.types.is_null(values.type) else readable(values)
    if plain is None or pa.types.is_list(plain.type):
        raise TypeError
    return plain.cast(pa.string())


def _lists(values: pa.Array) -> pa.Array:
    """Lists of texts; a single text is a list of one."""
    if is_text(values.type) or pa.types.is_dictionary(values.type) or pa.types.is_null(values.type):
        texts = _strings(values)
        one_each = pa.array(range(len(texts) + 1), pa.int32())
        return pa.ListArray.from_arrays(one_each, texts, mask=texts.is_null())
    return values.cast(pa.list_(pa.string()))


def _offsets(texts: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(texts), 0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])


def _cut(texts: pa.Array, where: str, cut: set[str], most: int) -> pa.Array:
    """At most `most` characters of each text, with a replacement character for each NUL."""
    if texts.null_count < len(texts) and pc.max(pc.utf8_length(texts)).as_py() > most:
        cut.add(f"{where} beyond {most:,} characters")
        texts = pc.utf8_slice_codeunits(texts, 0, most)
    return pc.replace_substring(texts, "\0", "\N{REPLACEMENT CHARACTER}")
