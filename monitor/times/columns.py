"""Columns of times of any type, as µs since the epoch. Equal to `reading.micros_of` applied to each value."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.times.reading import LATEST, SMALLEST, DateOrder, micros_of

Micros = np.ndarray[tuple[int], np.dtype[np.int64]] | list[int]
_MIN_VECTORIZED = 16
_UTC, _NAIVE = pa.timestamp("us", "UTC"), pa.timestamp("us")
_DAY = 86_400_000_000
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|z|UTC|[+-]\d{2}(:?\d{2})?))?$"
_LONG_PART, _UTC_WORD, _SPACE = r"(\.\d{6})\d+", r" ?(?:UTC|z|Z)$", r" ([+-])"
_ZONED = r"(Z|:\d{2}[+-][\d:]+|\.\d+[+-][\d:]+)$"
_SLASHED = r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})(.*)$"


def micros_of_column(column: pa.Array, order: DateOrder | None = None) -> pa.Array:
    """µs since the epoch, int64 (n,); null for missing values and values that are not times."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return micros_of_column(column.dictionary, order).take(column.indices)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _of_timestamps(column)
    if pa.types.is_integer(kind):
        return _of_integers(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_floats(column.cast(pa.float64(), safe=False))
    if pa.types.is_string(kind):
        return micros_of_texts(column, order)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return micros_of_texts(column.cast(pa.string()), order)
    return pa.nulls(len(column), pa.int64())


def micros_of_texts(texts: pa.StringArray, order: DateOrder | None = None) -> pa.Array:
    """As `micros_of_column`, for texts. Those that repeat, as seconds of a busy service do, are read once."""
    encoded = texts.dictionary_encode()
    if len(encoded.dictionary) <= len(texts) // 2:
        return _micros_of_texts(encoded.dictionary, order).take(encoded.indices)
    return _micros_of_texts(texts, order)


def _micros_of_texts(texts: pa.StringArray, order: DateOrder | None) -> pa.Array:
    usual = _with_year_first(texts, order)
    is_iso = pc.fill_null(pc.match_substring_regex(usual, _ISO), False)
    parsed = _of_iso(pc.if_else(is_iso, usual, None)) if pc.any(is_iso).as_py() else None
    rest = texts if parsed is None else pc.if_else(parsed.is_null(), texts, None)
    if rest.null_count == len(rest):
        return pa.nulls(len(texts), pa.int64()) if parsed is None else parsed
    encoded = rest.dictionary_encode()
    parsed_labels = pa.array([micros_of(text, order) for text in encoded.dictionary.to_pylist()], pa.int64())
    parsed_rest = parsed_labels.take(encoded.indices)
    return parsed_rest if parsed is None else pc.coalesce(parsed, parsed_rest)


def column_of_micros(values: Sequence[object], now: float) -> Micros | None:
    """JSON values as µs, with `now` for missing ones; None unless all have one type and the usual form."""
    if len(values) < _MIN_VECTORIZED:
        return _parse_each(values, now)
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return np.full(len(values), int(now * 1e6), np.int64)
    if kinds == {str}:
        try:
            return np.asarray(pa.array(values, pa.string()).cast(_UTC).cast(pa.int64()))
        except pa.ArrowInvalid:
            return None
    if kinds <= {int, float}:
        if len(kinds) == 1 and (usual := _of_one_unit(values)) is not None:
            return usual
        try:
            parsed = (
                _of_integers(pa.array(values, pa.int64()))
                if kinds == {int}
                else _of_floats(pa.array(values, pa.float64()))
            )
        except (pa.ArrowInvalid, OverflowError):
            return None
        return None if parsed.null_count else np.asarray(parsed)
    return None


_RANGES = ((1e9, 1e11, 1e6), (3e11, 1.9e13, 1e3), (1e14, 1e17, 1.0))
"""Ranges of numbers that are surely seconds, milliseconds and µs, and no digits of a day; and the µs in one."""


def _of_one_unit(values: Sequence[Any]) -> Micros | None:
    """Numbers that are all in one of the usual ranges as µs, or None: a tenth of the work of the general way."""
    numbers = np.array(values)
    if numbers.dtype.kind not in "if":
        return None
    low, high = numbers.min(), numbers.max()
    for first, end, unit in _RANGES:
        if first <= low and high < end:  # not if one is NaN
            whole = numbers.dtype.kind == "i"
            return numbers * int(unit) if whole else np.rint(numbers * unit).astype(np.int64)
    return None


def _parse_each(values: Sequence[object], now: float) -> list[int] | None:
    """Parse each value: for a handful, Python is faster than an array."""
    if values.count(None):
        return [int(now * 1e6)] * len(values) if values.count(None) == len(values) else None
    parsed = [micros for value in values if (micros := micros_of(value)) is not None]
    return parsed if len(parsed) == len(values) else None


def _of_timestamps(column: pa.Array) -> pa.Array:
    """Timestamps and dates; null if they exceed the range of microseconds."""
    kind = column.type
    if pa.types.is_date32(kind):
        return _times(column.cast(pa.int32()).cast(pa.int64()), _DAY)
    numbers = column.cast(pa.int64())
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return _floored(numbers, 1_000)
    factor = 1_000 if pa.types.is_date64(kind) else _UNITS[kind.unit]
    if factor == 1:
        return numbers
    return _times(numbers, factor)


def _times(numbers: pa.Array, factor: int) -> pa.Array:
    """Multiply integers; null where the result exceeds 64 bits."""
    most = int(LATEST) // factor
    fits = pc.and_(pc.greater(numbers, -most), pc.less(numbers, most))
    return pc.multiply(pc.if_else(fits, numbers, None), factor)


def _floored(numbers: pa.Array, by: int) -> pa.Array:
    """Divide integers and round down, as for texts whose fractions are truncated."""
    values = np.asarray(numbers.fill_null(0)) // by
    return pa.array(values, pa.int64(), mask=np.asarray(numbers.is_null()))


def _of_integers(column: pa.Array) -> pa.Array:
    if pa.types.is_uint64(column.type):
        return _of_floats(column.cast(pa.float64(), safe=False))
    missing = np.asarray(column.is_null())
    values = np.asarray(column.cast(pa.int64()).fill_null(0))
    size = np.abs(values)
    is_minimum = values == np.iinfo(np.int64).min
    factors = [values * 1_000_000, values * 1_000, values]
    micros = np.select([size < 10**11, size < 10**14, size < 10**17], factors, values // 1_000)
    return _with_days(values, micros, missing | is_minimum | (size < SMALLEST))


def _of_floats(column: pa.Array) -> pa.Array:
    values = np.asarray(column.fill_null(np.nan), np.float64)
    size = np.abs(values)
    fits = size < 2.0**63
    values, size = np.where(fits, values, 0.0), np.where(fits, size, 0.0)
    unit: Any = np.select([size < 1e11, size < 1e14], [1e6, 1e3], 1.0)
    nanoseconds = values.astype(np.int64) // 1_000
    micros = np.where(size < 1e17, np.rint(values * unit), 0.0).astype(np.int64)
    return _with_days(values, np.where(size < 1e17, micros, nanoseconds), ~fits | (size < SMALLEST))


_COMPACT = (
    (19_800_101, 20_991_231),
    (198_001_010_000, 209_912_312_359),
    (19_800_101_000_000, 20_991_231_235_959),
)
"""Ranges of numbers that may be a day, minute or second written as digits."""


def _with_days(values: np.ndarray, micros: np.ndarray, missing: np.ndarray) -> pa.Array:
    """Read numbers such as 20261128 as days."""
    may_be = np.logical_or.reduce([(values >= low) & (values <= high) for low, high in _COMPACT])
    missing = missing.copy()
    for index in np.flatnonzero(may_be):
        parsed = micros_of(values[index].item())
        micros[index], missing[index] = parsed or 0, parsed is None
    return pa.array(micros, pa.int64(), mask=missing)


def _with_year_first(texts: pa.StringArray, order: DateOrder | None) -> pa.StringArray:
    """Rewrite texts such as `28/11/2026 16:00` to ISO 8601, so that the whole column is parsed at once."""
    if order is None:
        return texts
    first = pc.match_substring_regex(texts, _SLASHED)
    if not pc.any(first).as_py():
        return texts
    replacement = "\\3-\\2-\\1\\4" if order is DateOrder.DAY_FIRST else "\\3-\\1-\\2\\4"
    year_first = pc.replace_substring_regex(texts, _SLASHED, replacement)
    padded = pc.replace_substring_regex(year_first, r"^(\d{4})-(\d)-", "\\1-0\\2-")
    return pc.replace_substring_regex(padded, r"^(\d{4}-\d{2})-(\d)(\D|$)", "\\1-0\\2\\3")


def _of_iso(texts: pa.StringArray) -> pa.Array:
    """ISO 8601 texts; null for days that do not exist, and for texts that Arrow cannot parse."""
    short = pc.replace_substring_regex(texts, _LONG_PART, "\\1")
    plain = pc.replace_substring_regex(pc.replace_substring_regex(short, _UTC_WORD, "Z"), _SPACE, "\\1")
    zoned = pc.fill_null(pc.match_substring_regex(plain, _ZONED), False)
    parsed = [
        _cast(pc.if_else(chosen, plain, None), kind)
        for chosen, kind in ((zoned, _UTC), (pc.invert(zoned), _NAIVE))
    ]
    return pc.coalesce(*parsed)


def _cast(texts: pa.StringArray, kind: pa.DataType) -> pa.Array:
    try:
        return texts.cast(kind).cast(pa.int64())
    except pa.ArrowInvalid:  # one text is not a time: the caller parses each text
        return pa.nulls(len(texts), pa.int64())


def iso_of(micros: int) -> str:
    """A time in ISO 8601, `2026-11-28T16:00:00Z`; outside the range of the calendar, the number of seconds."""
    try:
        return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{micros / 1e6:.0f} seconds after 1970"
