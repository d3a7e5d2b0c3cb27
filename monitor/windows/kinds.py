"""What a column of a baseline holds, found from its values; whoever knows better overrides it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions import arrays
from monitor.predictions.columns import TEXT_FROM, names, numbers
from monitor.predictions.readable import is_time, is_vector, readable
from monitor.windows.layout import Kind

_UNIQUE = 0.95
_FEWEST_FOR_IDENTIFIER = 100
_MOST_NUMERIC_LABELS = 100
_LOOK = 5000


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One Arrow array of one of the types that a prediction batch knows; unreadable types become missing values."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found = readable(array)
    return pa.nulls(len(array), pa.float64()) if found is None else found


def encoded(texts: pa.StringArray) -> pa.Array:
    """Labels as a dictionary array, so that they are looked at once; long texts stay as they are."""
    known = len(texts) - texts.null_count
    length = pc.sum(pc.binary_length(texts)).as_py() or 0
    return texts if length > TEXT_FROM * known else texts.dictionary_encode()


def find(column: pa.Array) -> Kind:
    """The kind of a column as `plain` gives it. Names are not looked at, only values."""
    kind = column.type
    if len(column) == column.null_count:
        return Kind.EMPTY
    if is_time(kind):
        return Kind.TIME
    if is_vector(kind):
        return Kind.EMBEDDING
    if pa.types.is_boolean(kind):
        return Kind.BOOLEAN
    if pa.types.is_floating(kind):
        return _of_numbers(column)
    return _of_texts(column if pa.types.is_dictionary(kind) else column.drop_null())


def _of_numbers(column: pa.Array) -> Kind:
    if _has_fractions(_finite(column.slice(0, _LOOK))):
        return Kind.NUMBER
    finite = _finite(column)
    if finite.size == 0:
        return Kind.EMPTY
    if _has_fractions(finite):
        return Kind.NUMBER
    enough = finite.size >= _FEWEST_FOR_IDENTIFIER
    with np.errstate(over="ignore"):
        is_running = enough and (np.diff(finite) == 1).mean() > _UNIQUE
    if is_running and np.ptp(finite) > _UNIQUE * (finite.size - 1):  # a minute of the hour begins anew
        return Kind.IDENTIFIER
    return Kind.INTEGER


def _finite(column: pa.Array) -> np.ndarray:
    values = arrays.floats(column)
    return np.asarray(values[np.isfinite(values)])


def _has_fractions(values: np.ndarray) -> bool:
    return not np.array_equal(values, np.rint(values))


def _of_texts(column: pa.Array) -> Kind:
    encoded = names(column)
    labels = encoded.dictionary
    count, distinct = len(column) - column.null_count, len(labels)
    uses = arrays.code_counts(encoded)[:-1]
    if arrays.floats(pc.utf8_length(labels).cast(pa.float64())) @ uses > TEXT_FROM * count:
        return Kind.TEXT
    if distinct > _MOST_NUMERIC_LABELS:
        some = labels.slice(0, _LOOK)
        if numbers(some).unreadable.mean() <= 1 - _UNIQUE:
            return Kind.NUMBER
        if _times_readable(some) >= _UNIQUE:
            return Kind.TIME
    elif _times_readable(labels) == 1.0:
        return Kind.TIME
    if count >= _FEWEST_FOR_IDENTIFIER and distinct > _UNIQUE * count:
        spaced = pc.mean(pc.cast(pc.match_substring(labels, " "), pa.float64())).as_py()
        return Kind.TEXT if spaced > 0.5 else Kind.IDENTIFIER
    return Kind.CATEGORY


def _times_readable(labels: pa.Array) -> float:
    return float(1.0 - np.isnan(times_of_texts(labels)).mean()) if len(labels) else 0.0


_FORMATS = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%Y/%m/%d",
    "%d %b %Y",
)
_CLOCK = r"\d{2}:\d{2}:\d{2}"
_TAIL = r"(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$"
_OFFSET = _CLOCK + r"(?:\.\d+)?(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})$"


def times_of_texts(texts: pa.Array) -> np.ndarray:
    """Seconds since the epoch (a text without zone counts as UTC), NaN where no known format fits, shape (n,)."""
    cleaned = pc.if_else(
        pc.match_substring_regex(texts, _CLOCK),
        pc.replace_substring_regex(texts, _TAIL, ""),
        texts,
    )
    found = np.full(len(texts), np.nan)
    for form in _FORMATS:
        open_places = np.isnan(found)
        if not open_places.any():
            break
        parsed = pc.cast(pc.strptime(cleaned, form, "s", error_is_null=True), pa.int64())
        values = arrays.floats(pc.cast(parsed, pa.float64()))
        found[open_places] = values[open_places]
    return np.asarray(found - _offsets(texts))


def _offsets(texts: pa.Array) -> np.ndarray:
    """How many seconds before UTC the zone is that a text names, 0 where it names none, shape (n,)."""
    parts = pc.extract_regex(texts, _OFFSET)
    sign, hours, minutes = (pc.struct_field(parts, name) for name in ("sign", "hours", "minutes"))
    if sign.null_count == len(sign):
        return np.zeros(len(texts))
    size = arrays.floats(hours.cast(pa.float64())) * 3600 + arrays.floats(minutes.cast(pa.float64())) * 60
    west = np.asarray(pc.fill_null(pc.equal(sign, "-"), False))
    return np.asarray(np.nan_to_num(np.where(west, -size, size)))
