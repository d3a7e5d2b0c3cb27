"""The type of a baseline's column, inferred from its values. The configuration can override it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.intake.arrow_types import is_time, is_vector, readable
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import TEXT_FROM, names, numbers
from monitor.times.columns import micros_of_texts
from monitor.times.reading import DateOrder
from monitor.windows.layout.layout import ColumnKind

_UNIQUE = 0.95
_FEWEST_FOR_IDENTIFIER = 100
_MOST_NUMERIC_LABELS = 100
_FIRST_VALUES = 5000
_DISTINCT_SENTENCES, _SENTENCE_WORDS = 0.2, 4
"""Sentences repeat, but at least a fifth are distinct; names of places and products are shorter or fewer."""
_UNSPACED_SCRIPT = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{8}"
_NUMBER_PATTERN = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One Arrow array in one of the types of a prediction batch. Unreadable types become missing values."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    converted = readable(array)
    return pa.nulls(len(array), pa.float64()) if converted is None else converted


def encoded(texts: pa.StringArray) -> pa.Array:
    """Labels as a dictionary array, so that each label is processed once. Long texts stay as they are."""
    known = len(texts) - texts.null_count
    length = pc.sum(pc.binary_length(texts)).as_py() or 0
    return texts if length > TEXT_FROM * known else texts.dictionary_encode()


def find(column: pa.Array, dates: DateOrder | None = None) -> ColumnKind:
    """The type of a column (as `plain` returns it), from its values. Its name, and categories without rows, are
    ignored.

    `dates` is the order of day and month in texts.
    """
    kind = column.type
    if len(column) == column.null_count:
        return ColumnKind.EMPTY
    if is_time(kind):
        return ColumnKind.TIME
    if is_vector(kind):
        return ColumnKind.EMBEDDING
    if pa.types.is_boolean(kind):
        return ColumnKind.BOOLEAN
    if pa.types.is_floating(kind):
        return _of_numbers(column)
    return _of_texts(column if pa.types.is_dictionary(kind) else column.drop_null(), dates)


def _of_numbers(column: pa.Array) -> ColumnKind:
    if _has_fractions(_finite(column.slice(0, _FIRST_VALUES))):
        return ColumnKind.NUMBER
    finite = _finite(column)
    if finite.size == 0:
        return ColumnKind.EMPTY
    if _has_fractions(finite):
        return ColumnKind.NUMBER
    enough = finite.size >= _FEWEST_FOR_IDENTIFIER
    with np.errstate(over="ignore"):
        is_running = enough and (np.diff(finite) == 1).mean() > _UNIQUE
    if is_running and np.ptp(finite) > _UNIQUE * (
        finite.size - 1
    ):  # a repeating counter, such as the minute, is not an identifier
        return ColumnKind.IDENTIFIER
    return ColumnKind.INTEGER


def _finite(column: pa.Array) -> np.ndarray:
    values = arrays.floats(column)
    return np.asarray(values[np.isfinite(values)])


def _has_fractions(values: np.ndarray) -> bool:
    return not np.array_equal(values, np.rint(values))


def _of_texts(column: pa.Array, dates: DateOrder | None) -> ColumnKind:
    encoded = names(column)
    uses = arrays.code_counts(encoded)[:-1]
    labels = encoded.dictionary.take(arrays.places(np.flatnonzero(uses)))
    uses = uses[uses > 0]
    count, distinct = len(column) - column.null_count, len(labels)
    if arrays.floats(pc.utf8_length(labels).cast(pa.float64())) @ uses > TEXT_FROM * count:
        return ColumnKind.TEXT
    if distinct > _MOST_NUMERIC_LABELS:
        first = labels.slice(0, _FIRST_VALUES)
        if numbers(first).unreadable.mean() <= 1 - _UNIQUE:
            return ColumnKind.NUMBER
        if _times_readable(first, dates) >= _UNIQUE:
            return ColumnKind.TIME
    elif _times_readable(labels, dates) == 1.0:
        return ColumnKind.TIME
    if count >= _FEWEST_FOR_IDENTIFIER and distinct > _UNIQUE * count:
        spaced = pc.mean(pc.cast(pc.match_substring(labels, " "), pa.float64())).as_py()
        return ColumnKind.TEXT if spaced > 0.5 else ColumnKind.IDENTIFIER
    if count >= _FEWEST_FOR_IDENTIFIER and distinct > _DISTINCT_SENTENCES * count and _are_sentences(labels):
        return ColumnKind.TEXT
    return ColumnKind.CATEGORY


def _are_sentences(labels: pa.Array) -> bool:
    """Whether most labels have at least four words, or eight characters of a script without spaces."""
    first = labels.slice(0, _FIRST_VALUES)
    words = np.asarray(pc.count_substring_regex(first, r"\S+"))
    unspaced = np.asarray(pc.match_substring_regex(first, _UNSPACED_SCRIPT))
    return bool(np.mean((words >= _SENTENCE_WORDS) | unspaced) > 0.5)


def _times_readable(labels: pa.Array, dates: DateOrder | None) -> float:
    """The share of texts that are times. Plain numbers do not count."""
    if not len(labels):
        return 0.0
    times = micros_of_texts(labels, dates).is_valid()
    return float(np.mean(np.asarray(times) & ~np.asarray(pc.match_substring_regex(labels, _NUMBER_PATTERN))))
