"""Lists, sets, and numbers by name, as the log stores them: as JSON texts, which each way in and out can carry.

A list keeps its order. Grades are sorted by item, so that equal grades are equal texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LIST = msgspec.json.Decoder(list[str])
_GRADES = msgspec.json.Decoder(dict[str, float])
_ENCODER = msgspec.json.Encoder()
MOST_KNOWN = 1_000
"""Items with a grade that are kept of one list, as many as one outcome may have."""
_AT_ONCE = 500_000
"""Bytes of stored texts that are read at once. As objects they take some forty times as much memory."""


def list_text(items: Sequence[str]) -> str:
    """A list of items as stored."""
    return _ENCODER.encode(items).decode()


def items_of(text: str) -> list[str]:
    """The inverse of `list_text`.

    Raises:
        msgspec.MsgspecError: the text is no list of texts.
    """
    return _LIST.decode(text)


def grades_text(grades: Mapping[str, float]) -> str:
    """Grades by item as stored."""
    return _ENCODER.encode({item: float(grades[item]) for item in sorted(grades)}).decode()


def grades_of(text: str) -> dict[str, float]:
    """The inverse of `grades_text`.

    Raises:
        msgspec.MsgspecError: the text is no object of numbers.
    """
    return _GRADES.decode(text)


def labels_text(labels: Iterable[str]) -> str:
    """A set of labels as stored: a sorted list, which `items_of` reads."""
    return list_text(sorted(set(labels)))


def outputs_text(outputs: Mapping[str, float]) -> str:
    """Numbers by output as stored, which `grades_of` reads."""
    return grades_text(outputs)


def united(texts: Iterable[str]) -> str:
    """Several grades of one list together: of an item, the highest. Their order changes nothing.

    Of more than `MOST_KNOWN` items, the first `MOST_KNOWN + 1` are kept: the text shows that there are too many.
    """
    total: dict[str, float] = {}
    for text in texts:
        for item, grade in grades_of(text).items():
            total[item] = max(grade, total.get(item, grade))
    return grades_text({item: total[item] for item in sorted(total)[: MOST_KNOWN + 1]})


def in_parts(rows: pa.RecordBatch, names: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The rows in order, in parts whose texts in some columns have half a megabyte and one row at most. At least one
    part.
    """
    columns = [rows.column(name) for name in names if name in rows.schema.names]
    sizes = np.zeros(rows.num_rows, np.int64)
    for column in columns:
        texts = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        sizes += np.asarray(pc.fill_null(pc.binary_length(texts), 0))
    starts = np.flatnonzero(np.diff(np.cumsum(sizes) // _AT_ONCE)) + 1
    for start, end in pairwise([0, *starts.tolist(), rows.num_rows]):
        yield rows.slice(start, end - start)
