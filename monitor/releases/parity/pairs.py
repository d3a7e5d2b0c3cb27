"""Which predictions of two environments had the same inputs. Pure.

Equal inputs have equal hashes, so the rows of a large environment are searched for the inputs of a small one without
keeping them. A hash only narrows the search; the values themselves are compared.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.predictions.log import columns
from monitor.predictions.log.hashing import Hashes, hash_texts, mix

FEATURES = "features."
Pair = tuple[Any, Any]
"""The answers of both sides to one input."""
_MISSING = np.uint64(0x5851F42D4C957F2D)


def input_names(rows: pa.RecordBatch) -> set[str]:
    """The names of the columns of inputs."""
    return {name for name in rows.schema.names if name.startswith(FEATURES)}


def hashes(rows: pa.RecordBatch, names: Sequence[str]) -> Hashes:
    """A hash of each row's inputs. A number and its text are equal; a column that is missing has missing values."""
    state: Hashes = np.zeros(rows.num_rows, np.uint64)
    there = set(rows.schema.names)
    for name in names:
        column: Hashes = np.full(rows.num_rows, _MISSING)
        if name in there:
            column = _hashes_of(rows.column(name))
        mixed: Hashes = np.bitwise_xor(state, column)
        state = mix(mixed) + np.uint64(1)
    return state


def with_inputs_of(
    batches: Iterable[pa.RecordBatch], wanted: pa.RecordBatch, sample: pa.RecordBatch
) -> list[pa.RecordBatch]:
    """The rows of batches whose inputs are probably among those of `wanted`, by the inputs that both sides receive.

    `sample` holds rows of the same side as `batches`: an input that it lacks is not compared.
    """
    names = sorted(_received([wanted]) & _received([sample]))
    if not names:
        return []
    known = np.unique(hashes(wanted, names))
    same = (rows.filter(pa.array(np.isin(hashes(rows, names), known, kind="sort"))) for rows in batches)
    return [rows for rows in same if rows.num_rows]


def pairs(left: Iterable[pa.RecordBatch], right: Iterable[pa.RecordBatch]) -> Iterator[Pair]:
    """The answers of both sides to equal inputs; of inputs that occur several times, the first answer of each side.

    Inputs that only one side has ever received are left out of the comparison: the schema tells them.
    """
    one, other = list(left), list(right)
    names = sorted(_received(one) & _received(other))
    if not names:
        return
    known = _answers(one, names)
    for key, answer in _answers(other, names).items():
        if key in known:
            yield known[key], answer


def _received(batches: Iterable[pa.RecordBatch]) -> set[str]:
    """The names of the columns of inputs that have a value in some row."""
    return {
        name for rows in batches for name in input_names(rows) if rows.column(name).null_count < rows.num_rows
    }


def _answers(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> dict[tuple[str | None, ...], Any]:
    """The answer to each input. Values are named as categories are: 12, 12.0 and "12" are one."""
    answered: dict[tuple[str | None, ...], Any] = {}
    for rows in batches:
        there = set(rows.schema.names)
        if "prediction" not in there:
            continue
        inputs = [
            columns.names(rows.column(name)).to_pylist() if name in there else [None] * rows.num_rows
            for name in names
        ]
        for key, answer in zip(zip(*inputs, strict=True), rows.column("prediction").to_pylist(), strict=True):
            if answer is not None and any(value is not None for value in key):
                answered.setdefault(key, answer)
    return answered


def _hashes_of(column: pa.Array) -> Hashes:
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_dictionary(kind)
    if not (is_text or pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return _hashes_of(columns.names(column))
    numbers = columns.numbers(column)
    hashed = mix((np.where(numbers.missing, 0.0, numbers.values) + 0.0).view(np.uint64))
    if is_text:
        hashed = np.where(numbers.unreadable, _hashes_of_texts(columns.names(column)), hashed)
    return np.where(numbers.missing, _MISSING, hashed)


def _hashes_of_texts(column: pa.DictionaryArray) -> Hashes:
    words = hash_texts(column.dictionary.cast(pa.string()))
    places = np.asarray(column.indices.fill_null(0))
    return words[places] if words.size else np.zeros(len(column), np.uint64)
