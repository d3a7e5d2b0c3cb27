"""Answers that go in circles: runs of words that they have already said."""

import numpy as np
import pyarrow as pa

from monitor.signals.batch import CallBatch
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import words_of

_RUN = 4
_FEWEST_RUNS = 8


def _repetition(batch: CallBatch) -> pa.Array:
    words = batch.of(words_of)
    rows, codes = words.answers.rows, words.answers.codes.astype(np.uint64)
    n = max(len(rows) - _RUN + 1, 0)
    runs = np.zeros(n, np.uint64)
    for place in range(_RUN):
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + n] + np.uint64(1)
    runs ^= runs >> np.uint64(29)
    is_one_text = rows[:n] == rows[_RUN - 1 :] if n else np.zeros(0, bool)
    heads = rows[:n][is_one_text]
    keys = (heads.astype(np.uint64) << np.uint64(40)) ^ (runs[is_one_text] >> np.uint64(24))
    total = np.bincount(heads, minlength=words.n)
    distinct = pa.array(keys).unique().to_numpy()
    # The upper bits are the row: a run's hash has only the lower forty.
    different = np.bincount((distinct >> np.uint64(40)).astype(np.int64), minlength=words.n)
    return pa.array(1.0 - different / np.maximum(total, 1), mask=total < _FEWEST_RUNS)


SIGNALS = (
    Signal(
        "repetition",
        Unit.RATIO,
        ("output",),
        f"Share of the answer's runs of {_RUN} words that it has said before; from {_RUN + _FEWEST_RUNS - 1} words on.",
        _repetition,
    ),
)
