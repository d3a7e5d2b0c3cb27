"""Tensors of the Open Inference Protocol (version 2): as rows, from JSON or from the bytes behind the JSON.

A binary tensor stands behind the JSON, in the order of the tensors, with `binary_data_size` bytes: little-endian and
row by row; texts (BYTES) each after their length in four bytes. The first dimension counts the rows.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from monitor.text_limits import LONGEST_PATH
from monitor.visible import counted

MOST_WIDTH = 1_000
"""Values of one row of a tensor. Wider ones are images and embeddings, which are left out."""
_TYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


def are_tensors(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether a value is a list of tensors."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and "datatype" in one and "shape" in one for one in value)
    )


def rows_of_tensors(tensors: Sequence[Mapping[str, Any]], behind: bytes) -> list[object]:
    """The rows of tensors: of one tensor its values, of several an object of all. `behind` is what follows the JSON.

    Raises:
        ValueError: a tensor has another number of values than its shape says, or the tensors differ in their rows.
    """
    columns: dict[str, list[object]] = {}
    at = 0
    for number, tensor in enumerate(tensors):
        name = str(tensor.get("name") or number)[:LONGEST_PATH]
        size = _binary_size(tensor)
        if size is not None and at + size > len(behind):
            msg = f"tensor {name!r} is truncated: {len(behind) - at:,} of {size:,} bytes"
            raise ValueError(msg)
        data = None if size is None else behind[at : at + size]
        at += size or 0
        columns[name] = _rows(tensor, name, data)
    counts = {len(rows) for rows in columns.values()}
    if len(counts) != 1:
        msg = f"its tensors have different numbers of rows: {', '.join(map(str, sorted(counts)))}"
        raise ValueError(msg)
    names = {name: _names(name, rows) for name, rows in columns.items()}
    return [_row(columns, names, index) for index in range(counts.pop())]


def _names(name: str, rows: Sequence[object]) -> list[str]:
    """The names of the values in a row of a tensor: `name.0`, `name.1`. All rows share them."""
    width = max((len(row) for row in rows if isinstance(row, list)), default=0)
    return [f"{name}.{place}" for place in range(width)]


def _row(columns: Mapping[str, list[object]], names: Mapping[str, list[str]], index: int) -> object:
    """One row: the list of a lone tensor, or values by name, with `names` for a tensor with several in a row."""
    values = {name: rows[index] for name, rows in columns.items()}
    if len(values) == 1 and isinstance(only := next(iter(values.values())), list):
        return only or {}
    row: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, list):
            row |= zip(names[name], value, strict=False)  # none of a tensor that is too wide
        else:
            row[name] = value
    return row


def _binary_size(tensor: Mapping[str, Any]) -> int | None:
    about = tensor.get("parameters")
    size = about.get("binary_data_size") if isinstance(about, Mapping) else None
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        msg = f"its binary_data_size is {size!r}"
        raise ValueError(msg)
    return size


def _rows(tensor: Mapping[str, Any], name: str, data: bytes | None) -> list[object]:
    """A value for each row, or a list of values; an empty list of a tensor that is too wide."""
    shape = tensor["shape"]
    if not isinstance(shape, list) or not all(type(one) is int and one >= 0 for one in shape):
        msg = f"the shape of tensor {name!r} is not a list of numbers"
        raise ValueError(msg)
    values = _flat(tensor.get("data")) if data is None else _decoded(data, str(tensor["datatype"]), name)
    if len(values) != math.prod(shape):
        msg = f"tensor {name!r} has {counted(len(values), 'value')}, and its shape {shape} has {math.prod(shape):,}"
        raise ValueError(msg)
    count, width = (shape[0] if shape else 1), math.prod(shape[1:])
    if width == 1:
        return values
    if width > MOST_WIDTH:
        return [[] for _ in range(count)]
    return [values[at * width : (at + 1) * width] for at in range(count)]


def _flat(data: object) -> list[object]:
    """The values of lists in lists, in their order."""
    if not isinstance(data, list):
        return [] if data is None else [data]
    if not any(isinstance(one, list) for one in data):
        return data
    flat: list[object] = []
    waiting = data[::-1]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one[::-1]
        else:
            flat.append(one)
    return flat


def _decoded(data: bytes, kind: str, name: str) -> list[object]:
    if kind == "BYTES":
        return _texts(data, name)
    if kind == "BF16":  # the upper half of a float
        halves = np.frombuffer(data[: len(data) // 2 * 2], "<u2").astype("<u4")
        values: list[object] = (halves << 16).view("<f4").tolist()
        return values
    if kind not in _TYPES:
        msg = f"tensor {name!r} is of the unknown type {kind[:40]!r}"
        raise ValueError(msg)
    plain: list[object] = np.frombuffer(data, _TYPES[kind]).tolist()
    return plain


def _texts(data: bytes, name: str) -> list[object]:
    texts: list[object] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + size > len(data):
            msg = f"a text of tensor {name!r} is truncated"
            raise ValueError(msg)
        texts.append(data[at + 4 : at + 4 + size].decode(errors="replace"))
        at += 4 + size
    return texts
