"""The model's own doubt: the logarithms of the probabilities that it gave to its tokens."""

import numpy as np
import pyarrow as pa

from monitor.signals.batch import CallBatch
from monitor.signals.lists import parts, rows_of_parts
from monitor.signals.signal import Signal, Unit


def _by_row(batch: CallBatch) -> tuple[np.ndarray, np.ndarray]:
    """The finite values that can be logarithms of probabilities, with their rows."""
    lists = batch.column("token_logprobs")
    values = np.asarray(parts(lists).to_numpy(zero_copy_only=False), np.float64)
    is_sound = np.isfinite(values) & (values <= 1e-6)
    return values[is_sound], rows_of_parts(lists)[is_sound]


def _mean(batch: CallBatch) -> pa.Array:
    values, rows = batch.of(_by_row)
    counts = np.bincount(rows, minlength=len(batch))
    sums = np.bincount(rows, weights=values, minlength=len(batch))
    return pa.array(sums / np.maximum(counts, 1), mask=counts == 0)


def _least(batch: CallBatch) -> pa.Array:
    values, rows = batch.of(_by_row)
    least = np.zeros(len(batch))
    np.minimum.at(least, rows, values)
    return pa.array(least, mask=np.bincount(rows, minlength=len(batch)) == 0)


SIGNALS = (
    Signal(
        "mean_logprob",
        Unit.NATS,
        ("token_logprobs",),
        "Mean logarithm of the probability of the answer's tokens: the lower, the less sure the model was.",
        _mean,
    ),
    Signal(
        "least_logprob",
        Unit.NATS,
        ("token_logprobs",),
        "Logarithm of the probability of the answer's least probable token.",
        _least,
    ),
)
