"""Columns of numbers taken from texts, times and embeddings, so that they are counted like any other.

- a text: length in characters, words, shares of letters, digits and punctuation, emptiness, how much of it repeats,
  and whether it reads as a refusal;
- a time: hour of the day and day of the week (the moment itself always moves, so its drift says nothing);
- an embedding: distance to the baseline's centre, and its projection on a few fixed random directions.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions import arrays
from monitor.predictions.columns import names
from monitor.predictions.readable import A_SECOND, is_time, is_vector
from monitor.windows import edges, kinds
from monitor.windows.layout import Column, Kind

PROJECTIONS = 4
_REFUSAL = (
    r"(?i)\b(i('m| am) sorry|i (can ?not|can't|won't|am unable|am not able)|as an ai|"
    r"unable to (help|assist|comply)|cannot (help|assist|comply)|es tut mir leid|je suis désolé|lo siento)\b"
)


def describe(name: str, column: pa.Array, kind: Kind) -> list[Column]:
    """The columns of numbers of a text, time or embedding column, with buckets from the values of the baseline."""
    if kind is Kind.EMBEDDING:
        return _describe_vectors(name, column)
    parts = TEXT_PARTS if kind is Kind.TEXT else TIME_PARTS
    made = []
    for part in parts:
        values = read(column, part, np.empty(0, np.float32))
        column_of_part = edges.numbers(f"{name}#{part}", values, kind)
        made.append(_part(column_of_part, name, part, kind))
    return made


def read(column: pa.Array, part: str, parameters: np.ndarray) -> np.ndarray:
    """One part of a column as float64 with NaN where it is missing or cannot be read, shape (n,)."""
    if part in TEXT_PARTS:
        return TEXT_PARTS[part](_texts(column))
    if part in TIME_PARTS:
        with np.errstate(invalid="ignore"):  # an infinite time has no hour
            return TIME_PARTS[part](_seconds(column))
    return _project(column, part, parameters)


def _part(column: Column, source: str, part: str, kind: Kind, parameters: np.ndarray | None = None) -> Column:
    return Column(
        name=column.name,
        kind=kind,
        edges=column.edges,
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
    """Share of the words that occurred before in the same text."""
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


def _seconds(column: pa.Array) -> np.ndarray:
    kind = column.type
    if is_time(kind):
        return _moments(column)
    if pa.types.is_floating(kind):
        return arrays.floats(column.cast(pa.float64()))
    encoded = names(column)
    seconds = np.append(kinds.times_of_texts(encoded.dictionary), np.nan)
    return np.asarray(seconds[arrays.codes(encoded, len(seconds) - 1)])


def _moments(column: pa.Array) -> np.ndarray:
    """Of any year: some timestamps of seconds are beyond what microseconds can hold."""
    kind = column.type
    if pa.types.is_date32(kind):
        return np.asarray(_floats(column.cast(pa.int32())) * _DAY)
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return np.asarray(_floats(column.cast(pa.int64())) / A_SECOND[unit])


_DAY = 86400.0
TIME_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hour": lambda seconds: np.floor(seconds % 86400 / 3600),
    "weekday": lambda seconds: (np.floor(seconds / 86400) + 3) % 7,
}


def _describe_vectors(name: str, column: pa.Array) -> list[Column]:
    known = column.drop_null()
    lengths = _floats(pc.list_value_length(known)).astype(np.int64)
    size = int(np.bincount(lengths[lengths > 0], minlength=1).argmax())
    centre = _centre(_matrix(known, size)[1]) if size else np.empty(0)
    directions = np.random.default_rng(size).standard_normal((PROJECTIONS, max(size, 1)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    parts = {"distance": centre} | {f"projection{i + 1}": row[:size] for i, row in enumerate(directions)}
    made = []
    for part, parameters in parts.items():
        values = read(column, part, parameters.astype(np.float32))
        made.append(_part(edges.numbers(f"{name}#{part}", values), name, part, Kind.EMBEDDING, parameters))
    return made


def _centre(matrix: np.ndarray) -> np.ndarray:
    """The mean of the vectors that have a number in each place; of none, all places are unknown."""
    whole = matrix[np.isfinite(matrix).all(axis=1)]
    return whole.mean(axis=0) if len(whole) else np.full(matrix.shape[1], np.nan)


def _matrix(column: pa.Array, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rows hold a vector of `size` numbers, shape (n,), and those vectors, shape (m, size)."""
    lengths = _floats(pc.fill_null(pc.list_value_length(column), -1)).astype(np.int64)
    fits = lengths == size
    chosen = column.filter(pa.array(fits))
    flat = _floats(pc.list_flatten(chosen))
    return fits, flat.reshape(-1, size)


def _project(column: pa.Array, part: str, parameters: np.ndarray) -> np.ndarray:
    found = np.full(len(column), np.nan)
    if not is_vector(column.type) or parameters.size == 0:
        return found
    fits, matrix = _matrix(column, parameters.size)
    wide = parameters.astype(np.float64)
    values = np.linalg.norm(matrix - wide, axis=1) if part == "distance" else matrix @ wide
    found[fits] = values
    return found
