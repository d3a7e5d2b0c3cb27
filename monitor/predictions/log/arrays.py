"""Arrow arrays as numpy arrays, directly from their buffers.

Arrow's own conversion imports pandas where it is installed, which a daemon must avoid, and is slower.
"""

import math
from typing import Any

import numpy as np
import pyarrow as pa

_ROWS = 65_536
# pa.scalar would import pandas.
_NAN = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(np.array([math.nan]))])[0]


def valid(array: pa.Array) -> np.ndarray:
    """Which rows have a value, bool, shape (n,)."""
    bitmap = array.buffers()[0]
    if array.null_count == 0 or bitmap is None:
        return np.full(len(array), array.null_count == 0)
    skipped, first = divmod(array.offset, 8)
    # Of the slice, not of the whole buffer.
    bits = np.frombuffer(bitmap, np.uint8, -(-(first + len(array)) // 8), skipped)
    return np.asarray(np.unpackbits(bits, bitorder="little")[first : first + len(array)].view(bool))


def valid_bits(array: pa.Array) -> np.ndarray:
    """Which rows of an array with nulls have a value, eight rows a byte, the first in the lowest bit. Bits after the
    last row may be set.
    """
    skipped, first = divmod(array.offset, 8)
    if first:
        return np.packbits(valid(array), bitorder="little")
    return np.frombuffer(array.buffers()[0], np.uint8, -(-len(array) // 8), skipped)


def floats(array: pa.Array) -> np.ndarray:
    """A float64 array, NaN where there is no value, shape (n,). Without nulls it is a view of the buffer: do not write
    to it.
    """
    return _numbers(array.fill_null(_NAN) if array.null_count else array, np.dtype(np.float64))


def known_floats(array: pa.Array) -> np.ndarray:
    """The values of a float64 array that are not null, shape (n - missing,). Without nulls it is a view of
    the buffer.
    """
    values = _numbers(array, np.dtype(np.float64))
    return values[valid(array)] if array.null_count else values


def stored_floats(array: pa.Array) -> np.ndarray:
    """The numbers of a float64 array as they are stored, shape (n,): any number where there is no value."""
    return _numbers(array, np.dtype(np.float64))


def with_missing_last(values: np.ndarray, missing: int) -> pa.Array:
    """A float64 Arrow array over `values`, whose last `missing` rows have no value."""
    known = np.arange(values.size) < values.size - missing
    bitmap = pa.py_buffer(np.packbits(known, bitorder="little")) if missing else None
    return pa.Array.from_buffers(
        pa.float64(), values.size, [bitmap, pa.py_buffer(values)], null_count=missing
    )


def places(indices: np.ndarray) -> pa.Array:
    """Row indices as an int64 Arrow array, for `take`."""
    whole = np.ascontiguousarray(indices, np.int64)
    return pa.Array.from_buffers(pa.int64(), whole.size, [None, pa.py_buffer(whole)])


def codes(array: pa.DictionaryArray, missing: int) -> np.ndarray:
    """The dictionary index of each row, `missing` for nulls, shape (n,)."""
    indices = array.indices
    values = _numbers(indices, np.dtype(str(indices.type)))
    return values if array.null_count == 0 else np.where(valid(indices), values, missing)


def code_counts(array: pa.DictionaryArray) -> np.ndarray:
    """The number of rows per dictionary entry, and at the end the number of nulls."""
    size = len(array.dictionary)
    counts = np.zeros(size + 1, np.int64)
    for start in range(0, len(array), _ROWS):  # in parts: bincount converts the codes to 64 bits
        counts += np.bincount(codes(array.slice(start, _ROWS), size), minlength=size + 1)
    return counts


def _numbers(array: pa.Array, kind: np.dtype[Any]) -> np.ndarray:
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), kind)
    return np.frombuffer(buffer, kind)[array.offset : array.offset + len(array)]
