"""Tables and batches of predictions with known properties, for the tests of windows and metrics."""

import numpy as np
import pyarrow as pa

from monitor.records import Stream

STREAM = Stream("acme", "fraud")


def predictions(rows: int, seed: int = 0, shift: float = 0.0, *, outcomes: bool = False) -> pa.RecordBatch:
    """A batch with two numbers, a label, answers, confidence and latency; `shift` moves the number `amount`."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(8, 2, rows)
    answers = rng.choice(["fraud", "ok"], rows, p=[0.3, 0.7])
    columns = {
        "timestamp": pa.array(np.arange(rows) * 1000, pa.int64()),
        "version": pa.array(rng.choice(["1", "2"], rows)).dictionary_encode(),
        "prediction": pa.array(answers).dictionary_encode(),
        "confidence": pa.array(confidence),
        "latency_ms": pa.array(rng.lognormal(3, 0.5, rows)),
        "error": pa.array(np.where(rng.random(rows) < 0.1, "timeout", None)).dictionary_encode(),
        "automated": pa.array(confidence > 0.8),
        "features.amount": pa.array(rng.normal(shift, 1, rows), mask=rng.random(rows) < 0.05),
        "features.count": pa.array(rng.poisson(3, rows).astype(float)),
        "features.country": pa.array(
            rng.choice(["DE", "FR", "US"], rows, p=[0.6, 0.3, 0.1])
        ).dictionary_encode(),
        "features.is_new": pa.array(rng.random(rows) < 0.5),
        "segments.region": pa.array(rng.choice(["eu", "us"], rows)).dictionary_encode(),
    }
    if outcomes:
        right = rng.random(rows) < confidence
        other = np.where(answers == "fraud", "ok", "fraud")
        columns["outcome.truth"] = pa.array(np.where(right, answers, other)).dictionary_encode()
        columns["outcome.delay"] = pa.array(rng.exponential(3600, rows))
        columns["outcome.reviewed"] = pa.array(rng.random(rows) < 0.2)
        columns["outcome.corrected"] = pa.array(rng.random(rows) < 0.05)
        columns["outcome.feedback"] = pa.array(rng.integers(1, 6, rows).astype(float))
    return pa.RecordBatch.from_pydict(columns)
