"""Many lines of SageMaker's Data Capture at once: calls whose request and response are CSV, also as Base64."""

import base64
from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from monitor.sources.formats.captures import csv_columns

_FEW = 4_000
"""Bytes up to which lines are read one by one."""


class _Side(msgspec.Struct, gc=False, rename="camel"):
    data: str
    encoding: str
    content_type: str | None = msgspec.field(name="observedContentType", default=None)


class _Sides(msgspec.Struct, gc=False, rename="camel"):
    endpoint_input: _Side
    endpoint_output: _Side


class _About(msgspec.Struct, gc=False, rename="camel"):
    inference_time: str
    event_id: str | None = None
    inference_id: str | None = None


class _Line(msgspec.Struct, gc=False, rename="camel"):
    capture_data: _Sides
    event_metadata: _About
    ground_truth_data: msgspec.UnsetType = msgspec.UNSET
    """A line with ground truth is no call."""


_DECODER = msgspec.json.Decoder(_Line)


def columns(body: bytes, names: Sequence[str]) -> pa.RecordBatch | None:
    """The predictions of lines; `names` are those of the features. None if a line has to be read by itself: it is no
    call, a side is not CSV, or a call has several values in its response.
    """
    if len(body) < _FEW or (b"\\" in body and b"\\u0000" in body):
        return None
    try:
        lines = _DECODER.decode_lines(body)
        inputs = _texts([line.capture_data.endpoint_input for line in lines])
        answers = _texts([line.capture_data.endpoint_output for line in lines])
    except (msgspec.MsgspecError, RecursionError, ValueError):  # a Base64 or UTF-8 error is one, too
        return None
    if _have_json(inputs) or _have_json(answers):
        return None
    ids = [line.event_metadata.inference_id or line.event_metadata.event_id or "" for line in lines]
    rows = _rows(inputs)
    if not lines or not all(ids) or rows != _rows(answers):
        return None
    features, predicted = csv_columns.columns(inputs), csv_columns.columns(answers)
    if features is None or predicted is None or len(predicted) > 1 or predicted[0].null_count:
        return None
    if names and len(names) != len(features):
        return None
    times = pa.array([line.event_metadata.inference_time for line in lines], pa.string())
    fields = {"id": _ids(ids, rows), "timestamp": times, "prediction": predicted[0]}
    if len(predicted[0]) > len(lines):
        each = pa.array(np.repeat(np.arange(len(lines), dtype=np.int32), rows))
        fields["timestamp"] = pa.DictionaryArray.from_arrays(each, times)
    named = zip(names or (f"_c{number}" for number in range(len(features))), features, strict=True)
    return pa.RecordBatch.from_pydict(fields | {f"features.{name}": column for name, column in named})


def _texts(sides: Sequence[_Side]) -> list[str]:
    """The bodies of calls, as `_text` reads each. Most are plain: they are looked at together.

    Raises:
        ValueError: one is in another notation, damaged or empty.
    """
    if {side.encoding for side in sides} == {"CSV"}:
        texts = [side.data for side in sides]
        if all(texts) and "\n" not in "".join(texts):
            return texts
    return [_text(side) for side in sides]


def _have_json(texts: Sequence[str]) -> bool:
    """Whether some text is JSON, although its encoding says CSV."""
    joined = "".join(texts)
    return ("[" in joined or "{" in joined) and any(text.lstrip()[:1] in ("[", "{") for text in texts)


def _rows(texts: Sequence[str]) -> list[int]:
    """The number of rows of each body."""
    if "\n" not in "".join(texts):
        return [1] * len(texts)
    return [text.count("\n") + 1 for text in texts]


def _text(side: _Side) -> str:
    """A body in CSV, without its last line break.

    Raises:
        ValueError: it is in another notation, damaged or empty.
    """
    text, encoding = side.data, side.encoding
    if encoding == "BASE64" and side.content_type is not None and "csv" in side.content_type:
        text, encoding = base64.b64decode(text, validate=True).decode(), "CSV"
    text = text.removesuffix("\n")
    if encoding != "CSV" or not text or text[-1] == "\n":
        raise ValueError("it has to be read separately")
    return text


def _ids(calls: Sequence[str], rows: Sequence[int]) -> pa.Array:
    """The id of each row: that of its call, with the row's number where the call has several."""
    if len(rows) == sum(rows):
        return pa.array(calls, pa.string())
    return pa.array(
        [
            one if count == 1 else f"{one}#{row}"
            for one, count in zip(calls, rows, strict=True)
            for row in range(count)
        ],
        pa.string(),
    )
