"""Columns of numbers that are derived from texts, times and embeddings, and counted like any other.

- text: length in characters, words, shares of letters, digits and punctuation, emptiness, repetition, and whether it
  reads as a refusal;
- time: hour of the day and day of the week (the time itself always changes, so its drift is meaningless);
- embedding: distance to the baseline's centre, and projections on a few fixed random directions.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.config.units import DAY, HOUR
from monitor.predictions.intake.arrow_types import A_SECOND, is_time, is_vector
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.times.columns import micros_of_column
from monitor.times.order import evidence
from monitor.times.reading import DateOrder
from monitor.windows.layout import edges
from monitor.windows.layout.layout import Column, ColumnKind

PROJECTIONS = 4
_REFUSAL = (
    r"(?i)\b(i('m| am) sorry|i (can ?not|can't|won't|am unable|am not able)|as an ai|"
    r"unable to (help|assist|comply)|cannot (help|assist|comply)|es tut mir leid|je suis désolé|lo siento)\b"
)


def describe(name: str, column: pa.Array, kind: ColumnKind, dates: DateOrder | None = None) -> list[Column]:
    """The derived columns of a text, time or embedding column, with buckets from the values of the baseline.

    `dates` is the order of day and month in texts. Without it, the values of the baseline determine the order for all
    later values.
    """
    if kind is ColumnKind.EMBEDDING:
        return _describe_vectors(name, column)
    parts, parameters = TEXT_PARTS, np.empty(0, np.float32)
    if kind is ColumnKind.TIME:
        parts, parameters = TIME_PARTS, _written(dates or evidence(column).order)
    columns = []
    for part in parts:
        values = read(column, part, parameters)
        column_of_part = edges.numbers(f"{name}#{part}", values, kind)
        columns.append(_part(column_of_part, name, part, kind, parameters))
    return columns


def read(column: pa.Array, part: str, parameters: np.ndarray) -> np.ndarray:
    """One part of a column as float64, NaN where it is missing or unreadable, shape (n,)."""
    if part in TEXT_PARTS:
        return TEXT_PARTS[part](_texts(column))
    if part in TIME_PARTS:
        with np.errstate(invalid="ignore"):  # an infinite time has no hour
            return TIME_PARTS[part](_seconds(column, _order(parameters)))
    return _project(column, part, parameters)


def _part(
    column: Column, source: str, part: str, kind: ColumnKind, parameters: np.ndarray | None = None
) -> Column:
    return Column(
        name=column.name,
        kind=kind,
        bounds=column.bounds,
        cells=column.cells,
        unit=column.unit,
        origin=column.origin,
        within=column.within,
        source=source,
        part=part,
        parameters=np.empty(0, np.float32) if parameters is None else parameters.astype(np.float32),
    )


def _texts(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else names(column).cast(pa.string())


def _count(texts: pa.Array, pattern: str) -> np.ndarray:
    return _floats(pc.count_substring_regex(texts, pattern))


def _floats(array: pa.Array) -> np.ndarray:
    return arrays.floats(array.cast(pa.float64(), safe=False))


def _length(texts: pa.Array) -> np.ndarray:
    return _floats(pc.utf8_length(texts))


def _share(pattern: str) -> Callable[[pa.Array], np.ndarray]:
    def share(texts: pa.Array) -> np.ndarray:
        return np.asarray(_count(texts, pattern) / np.maximum(_length(texts), 1.0))

    return share


def _empty(texts: pa.Array) -> np.ndarray:
    return _floats(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0))


def _repeated(texts: pa.Array) -> np.ndarray:
    """The share of words that occurred before in the same text."""
    words = pc.utf8_split_whitespace(texts)
    lengths = _floats(pc.list_value_length(words))
    flat = pc.list_flatten(words).dictionary_encode()
    owners = _floats(pc.list_parent_indices(words)).astype(np.int64)
    pairs = owners * max(len(flat.dictionary), 1) + arrays.codes(flat, 0)
    distinct = np.bincount(np.unique(pairs) // max(len(flat.dictionary), 1), minlength=len(texts))
    shares = 1.0 - distinct / np.maximum(lengths, 1.0)
    return np.asarray(np.where(np.isnan(lengths), np.nan, shares) * (lengths != 0))


def _refusal(texts: pa.Array) -> np.ndarray:
    return _floats(pc.match_substring_regex(texts, _REFUSAL))


TEXT_PARTS: dict[str, Callable[[pa.Array], np.ndarray]] = {
    "length": _length,
    "words": lambda texts: _count(texts, r"\S+"),
    "letters": _share(r"\p{L}"),
    "digits": _share(r"\p{N}"),
    "punctuation": _share(r"\p{P}"),
    "empty": _empty,
    "repeated": _repeated,
    "refusal": _refusal,
}


_ORDERS = (None, DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST)
"""Meaning of the only parameter of a time column."""


def _written(order: DateOrder | None) -> np.ndarray:
    return np.array([_ORDERS.index(order)], np.float32)


def _order(parameters: np.ndarray) -> DateOrder | None:
    """The order in the layout. Layouts without it are older, and read the month first."""
    return _ORDERS[int(parameters[0])] if parameters.size else DateOrder.MONTH_FIRST


def _seconds(column: pa.Array, order: DateOrder | None) -> np.ndarray:
    kind = column.type
    if is_time(kind):
        return _moments(column)
    if pa.types.is_boolean(kind):
        return np.full(len(column), np.nan)
    if not pa.types.is_floating(kind):
        column = names(column)
    return np.asarray(_floats(micros_of_column(column, order)) / 1e6)


def _moments(column: pa.Array) -> np.ndarray:
    """Seconds since the epoch, in any year: some timestamps in seconds exceed the range of microseconds."""
    kind = column.type
    if pa.types.is_date32(kind):
        return np.asarray(_floats(column.cast(pa.int32())) * DAY)
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return np.asarray(_floats(column.cast(pa.int64())) / A_SECOND[unit])


TIME_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hour": lambda seconds: np.floor(seconds % DAY / HOUR),
    "weekday": lambda seconds: (np.floor(seconds / DAY) + 3) % 7,
}


def _describe_vectors(name: str, column: pa.Array) -> list[Column]:
    present = column.drop_null()
    lengths = _floats(pc.list_value_length(present)).astype(np.int64)
    size = int(np.bincount(lengths[lengths > 0], minlength=1).argmax())
    centre = _centre(_matrix(present, size)[1]) if size else np.empty(0)
    directions = np.random.default_rng(size).standard_normal((PROJECTIONS, max(size, 1)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    parts = {"distance": centre} | {f"projection{i + 1}": row[:size] for i, row in enumerate(directions)}
    columns = []
    for part, parameters in parts.items():
        values = read(column, part, parameters.astype(np.float32))
        columns.append(
            _part(edges.numbers(f"{name}#{part}", values), name, part, ColumnKind.EMBEDDING, parameters)
        )
    return columns


def _centre(matrix: np.ndarray) -> np.ndarray:
    """The mean of the vectors without missing numbers; NaN in all places if there are none."""
    complete = matrix[np.isfinite(matrix).all(axis=1)]
    return complete.mean(axis=0) if len(complete) else np.full(matrix.shape[1], np.nan)


def _matrix(column: pa.Array, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A mask of the rows that hold a vector of `size` numbers, shape (n,), and those vectors, shape (m, size)."""
    lengths = _floats(pc.fill_null(pc.list_value_length(column), -1)).astype(np.int64)
    fits = lengths == size
    chosen = column.filter(pa.array(fits))
    flat = _floats(pc.list_flatten(chosen))
    return fits, flat.reshape(-1, size)


def _project(column: pa.Array, part: str, parameters: np.ndarray) -> np.ndarray:
    projected = np.full(len(column), np.nan)
    if not is_vector(column.type) or parameters.size == 0:
        return projected
    fits, matrix = _matrix(column, parameters.size)
    wide = parameters.astype(np.float64)
    values = np.linalg.norm(matrix - wide, axis=1) if part == "distance" else matrix @ wide
    projected[fits] = values
    return projected
