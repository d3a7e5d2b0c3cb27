"""Answers that are no JSON where JSON was asked for."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch, answers
from monitor.signals.signal import Signal, Unit


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_invalid(batch: CallBatch) -> pa.Array:
    texts = batch.of(answers)
    asked = pc.and_(pc.fill_null(batch.column("json_asked"), False), pc.is_valid(texts))
    rows = np.flatnonzero(np.asarray(asked))
    flags: list[bool | None] = [None] * len(batch)
    for row, text in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
        flags[row] = not _is_json(text)
    return pa.array(flags, pa.bool_())


SIGNALS = (
    Signal(
        "invalid_json",
        Unit.FLAG,
        ("output", "json_asked"),
        "JSON was asked for, and the answer is none; a fence around it counts as text.",
        _is_invalid,
    ),
)
