"""A model's past and present with a day's season: as a file to load, and as records to send."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400
WEEK = 7 * DAY


def table(
    start: int, end: int, step: int, rows: int, *, older_by: float = 0.0, version: str = "7", seed: int = 1
) -> pa.Table:
    """`rows` predictions in every `step` seconds of `[start, end)`; people are `older_by` years than usual.

    They are those of the same time in any other week, so that a test does not depend on its date.
    """
    rng = np.random.default_rng([seed, start % WEEK])
    n = (end - start) // step * rows
    times = np.repeat(np.arange(start, end, step), rows) + rng.random(n) * (step - 1)
    hours = times % DAY / 3600
    season = np.sin(2 * np.pi * hours / 24)
    amount = np.exp(3 + 0.5 * season + 0.8 * rng.normal(size=n))
    age = rng.integers(18, 80, n) + older_by
    risk = 1 / (1 + np.exp(3 - np.log(amount) - (age - 50) / 40))
    is_fraud = rng.random(n) < risk
    return pa.table(
        {
            "id": [f"{start}-{number}" for number in range(n)],
            "timestamp": times,
            "amount": amount,
            "age": age,
            "country": rng.choice(["DE", "FR", "IT"], n, p=[0.5, 0.3, 0.2]),
            "prediction": np.where(is_fraud, "fraud", "ok"),
            "confidence": np.where(is_fraud, 0.5 + risk / 2, 1 - risk / 2),
            "latency_ms": rng.gamma(9, 3, n),
            "version": [version] * n,
        }
    )


def file(folder: Path, start: int, end: int, step: int, rows: int) -> Path:
    """The same as a Parquet file."""
    path = folder / "history.parquet"
    pq.write_table(table(start, end, step, rows), path)
    return path


def records(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """The same as records of `acme/fraud`."""
    for row in rows.to_pylist():
        features = {name: row.pop(name) for name in ("amount", "age", "country")}
        yield {"client": "acme", "model": "fraud", "features": features, **row}
